PRAGMA application_id = 1212563795;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'holdfast','m001_records_and_results','2026-11-22 12:14:55.412029+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'holdfast','m002_ledger','2026-11-22 12:14:55.429851+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'holdfast','m003_copies_roles_and_tasks','2026-11-22 12:14:55.451401+00:00');
CREATE TABLE account (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  name TEXT, domains TEXT, external_ids TEXT, owner_id TEXT, parent INTEGER, plan TEXT, mrr INTEGER, currency TEXT, customer_since INTEGER, renewal_date INTEGER, lifecycle TEXT, created_at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "account" VALUES(1,2,'360000000005',8,1790812800000000,'Chalk Music & Co.','["chalk-music.example"]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1788930101,1793491200,NULL);
INSERT INTO "account" VALUES(2,2,'360000000012',8,1790917529000000,'East Sports LLC','["east-sports.example"]','{"any":"org_1002a"}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1788554205,1793491200,NULL);
INSERT INTO "account" VALUES(3,1,'8000000017',12,1792504186749000,'Chalk Music & Co.','["chalk-music.example"]','{"product":"org_1001x"}','70000014',NULL,'starter',10100,'USD',20731,21096,'customer',1788930101,1793491200,NULL);
INSERT INTO "account" VALUES(4,1,'8000000034',12,1789984305925000,'East Sports LLC','["east-sports.example"]','{"product":"org_1002a"}','70000021',NULL,'starter',17300,'GBP',20742,21107,'customer',1788554205,1793491200,NULL);
INSERT INTO "account" VALUES(5,1,'8000000051',12,1792448232241000,'Pioneer Metals','["pioneer-metals.example"]','{"product":"00000045"}','70000021',NULL,'enterprise',375250,'USD',20740,21105,'customer',1787386014,1793491200,NULL);
INSERT INTO "account" VALUES(6,2,'360000000019',8,1791022258000000,'Pioneer Metals','["pioneer-metals.example"]','{"any":"8000000051"}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1787386014,1793491200,NULL);
INSERT INTO "account" VALUES(7,3,'org_1001x',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "account" VALUES(8,3,'org_1002a',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "account" VALUES(9,3,'00000045',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE account_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  name TEXT, domains TEXT, external_ids TEXT, owner_id TEXT, parent INTEGER, plan TEXT, mrr INTEGER, currency TEXT, customer_since INTEGER, renewal_date INTEGER, lifecycle TEXT, created_at INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE activity (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, contact INTEGER, activity TEXT, inbound INTEGER, at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER, closed INTEGER, task_key TEXT,
  UNIQUE (source, source_id)
);
CREATE TABLE activity_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, contact INTEGER, activity TEXT, inbound INTEGER, at INTEGER, closed INTEGER, task_key TEXT,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE band_state (
  crm_id TEXT PRIMARY KEY,
  band TEXT NOT NULL,
  since INTEGER NOT NULL,
  episodes TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "band_state" VALUES('8000000017','red',1793491200,'{"rescue": 1793491200}');
INSERT INTO "band_state" VALUES('8000000034','yellow',1793491200,'{}');
INSERT INTO "band_state" VALUES('8000000051','yellow',1793491200,'{}');
CREATE TABLE contact (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  email TEXT, other_emails TEXT, external_ids TEXT, account INTEGER, account_refs TEXT, owner_id TEXT, title TEXT, staff INTEGER, active INTEGER, last_login_at INTEGER, created_at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "contact" VALUES(1,2,'4398000000003',4,1790726400000000,'admin@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,1790726400,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(2,2,'4398000000014',4,1790726400000000,'agent@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(3,2,'4398000000025',4,1790726400000000,'rahul.kowalski.7@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(4,2,'4398000000036',4,1790726400000000,'clara.capek.8@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,1790726400,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(5,2,'4398000000047',4,1790726400000000,'noah.haas.9@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(6,2,'4398000000058',4,1790726400000000,'yara.rossi.10@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(7,2,'4398000000069',4,1790726400000000,'hugo.young.11@holdfast.example',NULL,NULL,NULL,NULL,NULL,NULL,1,1,1790726400,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(8,2,'4398000000113',4,1791545903000000,NULL,NULL,NULL,1,'["360000000005"]',NULL,NULL,0,0,NULL,1791545903,1793491200,NULL);
INSERT INTO "contact" VALUES(9,2,'4398000000080',4,1792736166000000,'jobrien@chalk-music.example',NULL,NULL,1,'["360000000005"]',NULL,NULL,0,1,NULL,1792422402,1793491200,NULL);
INSERT INTO "contact" VALUES(10,2,'4398000000091',4,1793381344000000,'vera.okafor@east-sports.example',NULL,'{"any":"usr_f424a"}',2,'["360000000012"]',NULL,NULL,0,1,NULL,1793175671,1793491200,NULL);
INSERT INTO "contact" VALUES(11,1,'50000013',2,1793486367455000,'jobrien@chalk-music.example',NULL,'{"product":"40000000"}',3,'["8000000017"]','70000014','Head of Operations',0,1,NULL,1793467298,1793491200,NULL);
INSERT INTO "contact" VALUES(12,1,'50000026',2,1793488320000000,'vera.okafor@east-sports.example',NULL,'{"product":"usr_f424a"}',4,'["8000000034","8000000017","8000000051"]','70000021','Owner',0,1,NULL,1793488320,1793491200,NULL);
INSERT INTO "contact" VALUES(13,1,'50000039',2,1793416518614000,'grace.brook@pioneer-metals.example',NULL,NULL,5,'["8000000051"]','70000021','Procurement Lead',0,1,NULL,1792949873,1793491200,NULL);
INSERT INTO "contact" VALUES(14,3,'40000000',11,NULL,'jobrien@chalk-music.example',NULL,'{"product":"40000000"}',7,'["org_1001x"]',NULL,NULL,0,1,NULL,1793467298,1793491200,NULL);
INSERT INTO "contact" VALUES(15,3,'usr_f424a',11,NULL,'vera.okafor@east-sports.example',NULL,'{"product":"usr_f424a"}',8,'["org_1002a"]',NULL,NULL,0,1,NULL,1793488320,1793491200,NULL);
INSERT INTO "contact" VALUES(16,3,'usr_f4251',11,NULL,'grace.brook@pioneer-metals.example',NULL,'{"product":"usr_f4251"}',9,'["00000045"]',NULL,NULL,0,1,1793343598,1792949873,1793491200,NULL);
INSERT INTO "contact" VALUES(17,3,'staff_0000',11,NULL,'julia.evans@holdfast.example',NULL,'{"product":"staff_0000"}',8,'["org_1002a"]',NULL,NULL,0,1,1793388993,1790726400,1793491200,NULL);
INSERT INTO "contact" VALUES(18,3,'staff_0001',11,NULL,'ines.khan@holdfast.example',NULL,'{"product":"staff_0001"}',7,'["org_1001x"]',NULL,NULL,0,1,1793243341,1790726401,1793491200,NULL);
INSERT INTO "contact" VALUES(19,3,'staff_0002',11,NULL,'sian.dubois@holdfast.example',NULL,'{"product":"staff_0002"}',7,'["org_1001x"]',NULL,NULL,0,1,1793237163,1790726402,1793491200,NULL);
INSERT INTO "contact" VALUES(20,3,'test_0003',11,NULL,'test+3@holdfast.example',NULL,'{"product":"test_0003"}',7,'["org_1001x"]',NULL,NULL,0,1,1793440184,1790726403,1793491200,NULL);
INSERT INTO "contact" VALUES(21,3,'test_0004',11,NULL,'test+4@holdfast.example',NULL,'{"product":"test_0004"}',7,'["org_1001x"]',NULL,NULL,0,1,1793381065,1790726404,1793491200,NULL);
INSERT INTO "contact" VALUES(22,3,'svc.sandbox.mp-service-account',11,NULL,NULL,NULL,'{"product":"svc.sandbox.mp-service-account"}',NULL,NULL,NULL,NULL,1,1,NULL,NULL,1793491200,NULL);
CREATE TABLE contact_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  email TEXT, other_emails TEXT, external_ids TEXT, account INTEGER, account_refs TEXT, owner_id TEXT, title TEXT, staff INTEGER, active INTEGER, last_login_at INTEGER, created_at INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE contact_role (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  contact INTEGER, account INTEGER, deal_ref TEXT, role TEXT, is_primary INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
CREATE TABLE contact_role_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  contact INTEGER, account INTEGER, deal_ref TEXT, role TEXT, is_primary INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE crm_value (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  "values" TEXT NOT NULL,
  version INTEGER,
  written INTEGER NOT NULL DEFAULT 0,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (object, record_id)
) WITHOUT ROWID;
INSERT INTO "crm_value" VALUES('account','8000000017','{"holdfast_health":4,"holdfast_health_band":"red","holdfast_health_coverage":75,"holdfast_health_reason":"73: nothing pulls it down","holdfast_health_score":73,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new","power"]}',1792504186749000,1,1793491200);
INSERT INTO "crm_value" VALUES('account','8000000034','{"holdfast_health":4,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"81: nothing pulls it down","holdfast_health_score":81,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}',1789984305925000,1,1793491200);
INSERT INTO "crm_value" VALUES('account','8000000051','{"holdfast_health":5,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"89: nothing pulls it down","holdfast_health_score":89,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}',1792448232241000,1,1793491200);
INSERT INTO "crm_value" VALUES('contact','50000013','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}',1793486367455000,1,1793491200);
INSERT INTO "crm_value" VALUES('contact','50000026','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}',1793488320000000,1,1793491200);
INSERT INTO "crm_value" VALUES('contact','50000039','{"holdfast_contact_segments":["new"],"holdfast_engagement":56}',1793416518614000,1,1793491200);
CREATE TABLE deal (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, name TEXT, pipeline TEXT, stage TEXT, closed INTEGER, won INTEGER, renewal INTEGER, amount INTEGER, currency TEXT, close_date INTEGER, owner_id TEXT, created_at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "deal" VALUES(1,1,'10000000011',7,1792144628000000,4,'East Sports LLC - new business','default','closedwon',1,1,0,207600,'GBP',20742,'70000021',1783245428,1793491200,NULL);
INSERT INTO "deal" VALUES(2,1,'10000000022',7,1791979595000000,5,'Pioneer Metals - new business','default','closedwon',1,1,0,4503000,'USD',20740,'70000021',1787745995,1793491200,NULL);
INSERT INTO "deal" VALUES(3,1,'10000000033',7,1791198370000000,3,'Chalk Music & Co. - new business','default','closedwon',1,1,0,121200,'USD',20731,'70000014',1788174370,1793491200,NULL);
CREATE TABLE deal_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, name TEXT, pipeline TEXT, stage TEXT, closed INTEGER, won INTEGER, renewal INTEGER, amount INTEGER, currency TEXT, close_date INTEGER, owner_id TEXT, created_at INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE invoice (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, status TEXT, amount_due INTEGER, currency TEXT, due_date INTEGER, paid_at INTEGER, failed_attempts INTEGER, created_at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
CREATE TABLE invoice_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, status TEXT, amount_due INTEGER, currency TEXT, due_date INTEGER, paid_at INTEGER, failed_attempts INTEGER, created_at INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE link (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  crm INTEGER NOT NULL,
  rule TEXT NOT NULL,
  evidence TEXT NOT NULL,
  confidence INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
INSERT INTO "link" VALUES('account',1,3,'one_person','the only matched person in it belongs to this CRM account',60,1793491200);
INSERT INTO "link" VALUES('account',2,4,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('account',6,5,'crm_id','the CRM''s id stands on the source record',100,1793491200);
INSERT INTO "link" VALUES('account',7,3,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('account',8,4,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('account',9,5,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('contact',9,11,'email','both records have the same primary e-mail address',90,1793491200);
INSERT INTO "link" VALUES('contact',10,12,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('contact',14,11,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('contact',15,12,'product_id','both records carry the same product id',100,1793491200);
INSERT INTO "link" VALUES('contact',16,13,'email','both records have the same primary e-mail address',90,1793491200);
INSERT INTO "link" VALUES('home',8,3,'membership','the account that the person is a member of in the source is linked',80,1793491200);
CREATE TABLE link_history (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  crm INTEGER NOT NULL,
  rule TEXT NOT NULL,
  evidence TEXT NOT NULL,
  confidence INTEGER NOT NULL,
  PRIMARY KEY (kind, key, valid_from)
) WITHOUT ROWID;
CREATE TABLE membership (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  contact INTEGER, account INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "membership" VALUES(1,2,'52000112',5,1792422402000000,9,1,1793491200,NULL);
INSERT INTO "membership" VALUES(2,2,'52000128',5,1793175671000000,10,2,1793491200,NULL);
INSERT INTO "membership" VALUES(3,2,'52000129',5,1793175671000000,10,6,1793491200,NULL);
INSERT INTO "membership" VALUES(4,2,'52000130',5,1793175671000000,10,1,1793491200,NULL);
CREATE TABLE membership_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  contact INTEGER, account INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('environment:hubspot','hubspot:STANDARD:4242001');
INSERT INTO "meta" VALUES('login:hubspot','577ecbada9dece804e270872221fb7551ea3277251f23e0a6dbf7c7e5ee9c678');
INSERT INTO "meta" VALUES('usage:10','3');
CREATE TABLE op (
  op_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES run (run_id),
  key TEXT NOT NULL,
  object TEXT NOT NULL CHECK (object IN ('account', 'contact', 'task')),
  record_id TEXT,
  fields TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('sending', 'in_doubt', 'retry', 'confirmed', 'rejected', 'gone', 'dropped')),
  attempt INTEGER NOT NULL,
  remote_id TEXT,
  error_code TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  sent_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
INSERT INTO "op" VALUES(1,1,'cf78f05e7aa3e95e119a84f50ddf954b','account','8000000017','{"holdfast_health":4,"holdfast_health_band":"red","holdfast_health_coverage":75,"holdfast_health_reason":"73: nothing pulls it down","holdfast_health_score":73,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new","power"]}','confirmed',1,'8000000017','','',1793491200,1793491200);
INSERT INTO "op" VALUES(2,1,'79b10b08a9f2d22c5ea4dc3f197fb4df','account','8000000034','{"holdfast_health":4,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"81: nothing pulls it down","holdfast_health_score":81,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}','confirmed',1,'8000000034','','',1793491200,1793491200);
INSERT INTO "op" VALUES(3,1,'af20f329daa6e2f61b609410d890e1ad','account','8000000051','{"holdfast_health":5,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"89: nothing pulls it down","holdfast_health_score":89,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}','confirmed',1,'8000000051','','',1793491200,1793491200);
INSERT INTO "op" VALUES(4,1,'2f8c26b1400cdd1d38c19598bfe2bf65','contact','50000013','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}','confirmed',1,'50000013','','',1793491200,1793491200);
INSERT INTO "op" VALUES(5,1,'09b7203714a9ed0fc2fe35deb9bec551','contact','50000026','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}','confirmed',1,'50000026','','',1793491200,1793491200);
INSERT INTO "op" VALUES(6,1,'329c1d1e44a0fa3e12c01d783ca85703','contact','50000039','{"holdfast_contact_segments":["new"],"holdfast_engagement":56}','confirmed',1,'50000039','','',1793491200,1793491200);
INSERT INTO "op" VALUES(7,1,'8ad3d2dfebd759ef9d27e67d907dab7a','task',NULL,'{"account_id":"8000000017","body":"Chalk Music & Co. would profit from a conversation now. What stands out: nothing in particular.\n\n1. Ask how things are going and listen first.\n2. Agree on one next step and a date.\n3. Write down what you heard on the company record.\n","due":{"at":"2026-11-03T00:00:00+00:00"},"fallback_owner_id":null,"owner_id":"70000014","priority":"high","subject":"Call Chalk Music & Co.: needs attention"}','confirmed',1,'35000000001','','',1793491200,1793491200);
CREATE TABLE owned (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  fields TEXT NOT NULL,
  written_at INTEGER NOT NULL,
  PRIMARY KEY (object, record_id)
) WITHOUT ROWID;
INSERT INTO "owned" VALUES('account','8000000017','{"holdfast_health":4,"holdfast_health_band":"red","holdfast_health_coverage":75,"holdfast_health_reason":"73: nothing pulls it down","holdfast_health_score":73,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new","power"]}',1793491200);
INSERT INTO "owned" VALUES('account','8000000034','{"holdfast_health":4,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"81: nothing pulls it down","holdfast_health_score":81,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}',1793491200);
INSERT INTO "owned" VALUES('account','8000000051','{"holdfast_health":5,"holdfast_health_band":"yellow","holdfast_health_coverage":75,"holdfast_health_reason":"89: nothing pulls it down","holdfast_health_score":89,"holdfast_scored_at":{"at":"2026-11-01T00:00:00+00:00"},"holdfast_segments":["new"]}',1793491200);
INSERT INTO "owned" VALUES('contact','50000013','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}',1793491200);
INSERT INTO "owned" VALUES('contact','50000026','{"holdfast_contact_segments":["new"],"holdfast_engagement":10}',1793491200);
INSERT INTO "owned" VALUES('contact','50000039','{"holdfast_contact_segments":["new"],"holdfast_engagement":56}',1793491200);
CREATE TABLE pull (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  started INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  rejects INTEGER NOT NULL,
  error TEXT NOT NULL
);
INSERT INTO "pull" VALUES(1,4,1793491200,1793491200,10,0,'');
INSERT INTO "pull" VALUES(2,6,1793491200,1793491200,0,0,'');
INSERT INTO "pull" VALUES(3,2,1793491200,1793491200,3,0,'');
INSERT INTO "pull" VALUES(4,8,1793491200,1793491200,3,0,'');
INSERT INTO "pull" VALUES(5,9,1793491200,1793491200,4,0,'');
INSERT INTO "pull" VALUES(6,5,1793491200,1793491200,4,0,'');
INSERT INTO "pull" VALUES(7,3,1793491200,1793491200,0,0,'');
INSERT INTO "pull" VALUES(8,11,1793491200,1793491200,9,0,'');
INSERT INTO "pull" VALUES(9,7,1793491200,1793491200,3,0,'');
INSERT INTO "pull" VALUES(10,12,1793491200,1793491200,3,0,'');
INSERT INTO "pull" VALUES(11,1,1793491200,1793491200,11,0,'');
INSERT INTO "pull" VALUES(12,14,1793491200,1793491200,1,0,'');
INSERT INTO "pull" VALUES(13,13,1793491200,1793491200,6,0,'');
INSERT INTO "pull" VALUES(14,10,1793491200,1793491200,262,0,'');
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  source_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  row TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  times INTEGER NOT NULL,
  UNIQUE (stream, source_id, reason)
);
CREATE TABLE record_map (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('deleted', 'merged', 'vanished')),
  merged_into INTEGER,
  at INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE review (
  kind TEXT NOT NULL,
  source TEXT NOT NULL,
  source_id TEXT NOT NULL,
  rule TEXT NOT NULL,
  candidates TEXT NOT NULL,
  reason TEXT NOT NULL,
  affected INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  PRIMARY KEY (kind, source, source_id)
) WITHOUT ROWID;
CREATE TABLE run (
  run_id INTEGER PRIMARY KEY,
  mode TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  status TEXT NOT NULL,
  counts TEXT NOT NULL
);
INSERT INTO "run" VALUES(1,'apply',1793491200,1793491200,'done','{"as_of": "2026-11-01T00:00:00+00:00", "bands": {"red": 1, "yellow": 2}, "endings": {"confirmed": 7}, "failed_streams": [], "planned_fields": 27, "planned_tasks": 1, "rows": 319, "scored": {"account": 3, "contact": 3}}');
CREATE TABLE score (
  level TEXT NOT NULL,
  key INTEGER NOT NULL,
  crm_id TEXT NOT NULL,
  name TEXT,
  owner_id TEXT,
  score INTEGER,
  health INTEGER,
  points INTEGER NOT NULL,
  coverage INTEGER NOT NULL,
  band TEXT NOT NULL,
  segments TEXT NOT NULL,
  reason TEXT NOT NULL,
  signals TEXT NOT NULL,
  run_id INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  PRIMARY KEY (level, key)
) WITHOUT ROWID;
INSERT INTO "score" VALUES('account',3,'8000000017','Chalk Music & Co.','70000014',73,4,392,75,'red','["new","power"]','73: nothing pulls it down','[["login",500,15,1],["active_users",500,25,100],["usage",null,25,null],["tickets",300,15,2],["satisfaction",300,20,70],["payment",null,0,null]]',1,1793491200);
INSERT INTO "score" VALUES('account',4,'8000000034','East Sports LLC','70000021',81,4,424,75,'yellow','["new"]','81: nothing pulls it down','[["login",420,15,6],["active_users",500,25,100],["usage",null,25,null],["tickets",300,15,2],["satisfaction",500,20,100],["payment",null,0,null]]',1,1793491200);
INSERT INTO "score" VALUES('account',5,'8000000051','Pioneer Metals','70000021',89,5,455,75,'yellow','["new"]','89: nothing pulls it down','[["login",500,15,2],["active_users",500,25,100],["usage",null,25,null],["tickets",400,15,0],["satisfaction",500,20,100],["payment",null,0,null]]',1,1793491200);
INSERT INTO "score" VALUES('contact',11,'50000013',NULL,NULL,10,1,139,100,'red','["new"]','10: active on 0 days of 28; no login for 27 days','[]',1,1793491200);
INSERT INTO "score" VALUES('contact',12,'50000026',NULL,NULL,10,1,139,100,'red','["new"]','10: active on 0 days of 28; no login for 27 days','[]',1,1793491200);
INSERT INTO "score" VALUES('contact',13,'50000039',NULL,NULL,56,3,325,100,'red','["new"]','56: active on 1 day of 28','[]',1,1793491200);
CREATE TABLE score_history (
  level TEXT NOT NULL,
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  crm_id TEXT NOT NULL,
  name TEXT,
  owner_id TEXT,
  score INTEGER,
  health INTEGER,
  points INTEGER NOT NULL,
  coverage INTEGER NOT NULL,
  band TEXT NOT NULL,
  segments TEXT NOT NULL,
  reason TEXT NOT NULL,
  signals TEXT NOT NULL,
  run_id INTEGER NOT NULL,
  PRIMARY KEY (level, key, valid_from)
) WITHOUT ROWID;
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "source" VALUES(1,'hubspot');
INSERT INTO "source" VALUES(2,'zendesk');
INSERT INTO "source" VALUES(3,'mixpanel');
CREATE TABLE stream (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES source,
  name TEXT NOT NULL,
  record TEXT NOT NULL,
  cursor TEXT,
  started INTEGER,
  finished INTEGER,
  complete INTEGER,
  listed INTEGER,
  rows INTEGER NOT NULL DEFAULT 0,
  rejects INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  off TEXT NOT NULL DEFAULT '',
  skew INTEGER,
  UNIQUE (source, name)
);
INSERT INTO "stream" VALUES(1,1,'owners','user','{"listed":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,11,0,11,'','',0);
INSERT INTO "stream" VALUES(2,1,'contacts','contact','{"high":"2026-11-01T00:00:00Z","listed":"2026-11-01T00:00:00Z","swept":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,3,0,3,'','',0);
INSERT INTO "stream" VALUES(3,1,'tickets','ticket','{"high":"2026-11-01T00:00:00Z","listed":"2026-11-01T00:00:00Z","swept":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,0,0,0,'','',0);
INSERT INTO "stream" VALUES(4,2,'users','contact','MTc5MzM4MTM0NC4wfHw0Mzk4MDAwMDAwMDkxfA==',1793491200,1793491200,1793491200,NULL,10,0,10,'','',0);
INSERT INTO "stream" VALUES(5,2,'organization_memberships','membership','{"listed":"2026-11-01T00:00:00+00:00"}',1793491200,1793491200,1793491200,1793491200,4,0,4,'','',0);
INSERT INTO "stream" VALUES(6,2,'satisfaction_ratings','survey_response','{"off":"2026-11-01T00:00:00+00:00"}',1793491200,1793491200,1793491200,NULL,0,0,0,'','',NULL);
INSERT INTO "stream" VALUES(7,1,'deals','deal','{"high":"2026-11-01T00:00:00Z","listed":"2026-11-01T00:00:00Z","swept":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,3,0,3,'','',0);
INSERT INTO "stream" VALUES(8,2,'organizations','account','{"listed":"2026-11-01T00:00:00+00:00","start":1791022258}',1793491200,1793491200,1793491200,1793491200,3,0,3,'','',0);
INSERT INTO "stream" VALUES(9,2,'tickets','ticket','MTc5MzQ4NTUxOC4wfHwxMDN8',1793491200,1793491200,1793491200,NULL,4,0,4,'','',0);
INSERT INTO "stream" VALUES(10,3,'events','usage','{"arrived":1793440195340,"repaired":"2026-11-01T00:00:00+00:00","through":"2026-11-01"}',1793491200,1793491200,1793491200,NULL,262,0,259,'','',0);
INSERT INTO "stream" VALUES(11,3,'profiles','contact','{"listed":"2026-11-01T00:00:00+00:00"}',1793491200,1793491200,1793491200,1793491200,9,0,9,'','',0);
INSERT INTO "stream" VALUES(12,1,'companies','account','{"high":"2026-11-01T00:00:00Z","listed":"2026-11-01T00:00:00Z","swept":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,3,0,3,'','',0);
INSERT INTO "stream" VALUES(13,1,'feedback_submissions','survey_response','{"high":"2026-11-01T00:00:00Z","listed":"2026-11-01T00:00:00Z","swept":"2026-11-01T00:00:00Z"}',1793491200,1793491200,1793491200,1793491200,6,0,6,'','',0);
INSERT INTO "stream" VALUES(14,2,'survey_responses','survey_response','{"swept":"2026-11-01T00:00:00+00:00","until":"2026-11-01T00:00:00+00:00"}',1793491200,1793491200,1793491200,NULL,1,0,0,'','',0);
CREATE TABLE subscription (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, status TEXT, mrr INTEGER, currency TEXT, current_period_end INTEGER, cancel_at INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
CREATE TABLE subscription_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, status TEXT, mrr INTEGER, currency TEXT, current_period_end INTEGER, cancel_at INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE survey_response (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  survey TEXT, score INTEGER, scale_min INTEGER, scale_max INTEGER, satisfied INTEGER, responded_at INTEGER, email TEXT, contact INTEGER, account INTEGER, ticket INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "survey_response" VALUES(1,1,'50000000023',13,1792209898000000,'nps',10,0,10,1,1792209898,NULL,13,5,NULL,1793491200,NULL);
INSERT INTO "survey_response" VALUES(2,1,'50000000046',13,1792248051000000,'nps',10,0,10,1,1792248051,NULL,12,5,NULL,1793491200,NULL);
INSERT INTO "survey_response" VALUES(3,1,'50000000069',13,1792682538000000,'nps',10,0,10,1,1792682538,NULL,12,4,NULL,1793491200,NULL);
INSERT INTO "survey_response" VALUES(4,1,'50000000092',13,1793164363000000,'nps',10,0,10,1,1793164363,NULL,13,5,NULL,1793491200,NULL);
INSERT INTO "survey_response" VALUES(5,1,'50000000115',13,1793165796000000,'nps',7,0,10,NULL,1793165796,NULL,12,3,NULL,1793491200,NULL);
INSERT INTO "survey_response" VALUES(6,1,'50000000138',13,1793206471000000,'nps',10,0,10,1,1793206471,NULL,12,5,NULL,1793491200,NULL);
CREATE TABLE survey_response_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  survey TEXT, score INTEGER, scale_min INTEGER, scale_max INTEGER, satisfied INTEGER, responded_at INTEGER, email TEXT, contact INTEGER, account INTEGER, ticket INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE ticket (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, contact INTEGER, status TEXT, priority TEXT, created_at INTEGER, solved_at INTEGER, first_reply_minutes INTEGER, reopens INTEGER,
  valid_from INTEGER,
  valid_to INTEGER, copy_of TEXT,
  UNIQUE (source, source_id)
);
INSERT INTO "ticket" VALUES(1,2,'100',9,1792951690000000,1,9,'closed','urgent',1792422402,1792606090,95,0,1793491200,NULL,NULL);
INSERT INTO "ticket" VALUES(2,2,'102',9,1793256272000000,2,10,'solved','urgent',1793175671,1793256272,104,0,1793491200,NULL,NULL);
INSERT INTO "ticket" VALUES(3,2,'101',9,1793275389000000,1,9,'closed',NULL,1792736166,1792929789,2589,1,1793491200,NULL,NULL);
INSERT INTO "ticket" VALUES(4,2,'103',9,1793485518000000,2,10,'solved','normal',1793381344,1793485518,61,0,1793491200,NULL,NULL);
CREATE TABLE ticket_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  account INTEGER, contact INTEGER, status TEXT, priority TEXT, created_at INTEGER, solved_at INTEGER, first_reply_minutes INTEGER, reopens INTEGER, copy_of TEXT,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE TABLE usage_file (
  stream INTEGER NOT NULL REFERENCES stream,
  day INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  path TEXT NOT NULL,
  rows INTEGER NOT NULL,
  events INTEGER NOT NULL,
  anonymous INTEGER NOT NULL,
  written INTEGER NOT NULL,
  PRIMARY KEY (stream, day)
) WITHOUT ROWID;
INSERT INTO "usage_file" VALUES(10,20731,3,'usage/mixpanel/2026-10-05.3.parquet',7,11,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20732,3,'usage/mixpanel/2026-10-06.3.parquet',6,13,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20733,3,'usage/mixpanel/2026-10-07.3.parquet',3,12,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20734,3,'usage/mixpanel/2026-10-08.3.parquet',7,16,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20735,3,'usage/mixpanel/2026-10-09.3.parquet',4,7,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20736,3,'usage/mixpanel/2026-10-10.3.parquet',4,5,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20737,3,'usage/mixpanel/2026-10-11.3.parquet',2,2,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20738,3,'usage/mixpanel/2026-10-12.3.parquet',7,9,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20739,3,'usage/mixpanel/2026-10-13.3.parquet',6,9,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20740,3,'usage/mixpanel/2026-10-14.3.parquet',7,16,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20741,3,'usage/mixpanel/2026-10-15.3.parquet',10,14,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20742,3,'usage/mixpanel/2026-10-16.3.parquet',6,9,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20743,3,'usage/mixpanel/2026-10-17.3.parquet',2,3,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20744,3,'usage/mixpanel/2026-10-18.3.parquet',1,1,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20745,3,'usage/mixpanel/2026-10-19.3.parquet',9,19,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20746,3,'usage/mixpanel/2026-10-20.3.parquet',6,10,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20747,3,'usage/mixpanel/2026-10-21.3.parquet',6,10,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20748,3,'usage/mixpanel/2026-10-22.3.parquet',6,11,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20749,3,'usage/mixpanel/2026-10-23.3.parquet',6,16,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20750,3,'usage/mixpanel/2026-10-24.3.parquet',1,1,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20752,3,'usage/mixpanel/2026-10-26.3.parquet',7,11,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20753,3,'usage/mixpanel/2026-10-27.3.parquet',8,16,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20754,3,'usage/mixpanel/2026-10-28.3.parquet',4,4,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20755,3,'usage/mixpanel/2026-10-29.3.parquet',11,18,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20756,3,'usage/mixpanel/2026-10-30.3.parquet',9,14,0,1793491200);
INSERT INTO "usage_file" VALUES(10,20757,3,'usage/mixpanel/2026-10-31.3.parquet',2,2,0,1793491200);
CREATE TABLE usage_seen (
  path TEXT PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  newest INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "usage_seen" VALUES('usage/mixpanel/seen.3.2.0.0.parquet',10,1793440195);
CREATE TABLE user (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  email TEXT, name TEXT, active INTEGER,
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
INSERT INTO "user" VALUES(1,1,'70000007',1,1790812800000000,'vera.lefevre.1@holdfast.example','Vera Lefèvre',1,1793491200,NULL);
INSERT INTO "user" VALUES(2,1,'70000014',1,1790812800000000,'ivan.green.2@holdfast.example','Ivan Green',1,1793491200,NULL);
INSERT INTO "user" VALUES(3,1,'70000021',1,1790812800000000,'david.wolf.3@holdfast.example','David Wolf',1,1793491200,NULL);
INSERT INTO "user" VALUES(4,1,'70000028',1,1790812800000000,'ursula.mueller.4@holdfast.example','Ursula Müller',1,1793491200,NULL);
INSERT INTO "user" VALUES(5,1,'70000035',1,1790812800000000,'clara.jones.5@holdfast.example','Clara Jones',1,1793491200,NULL);
INSERT INTO "user" VALUES(6,1,'70000049',1,1790812800000000,'rahul.kowalski.7@holdfast.example','Rahul Kowalski',1,1793491200,NULL);
INSERT INTO "user" VALUES(7,1,'70000056',1,1790812800000000,'clara.capek.8@holdfast.example','Clara Čapek',1,1793491200,NULL);
INSERT INTO "user" VALUES(8,1,'70000063',1,1790812800000000,'noah.haas.9@holdfast.example','Noah Haas',1,1793491200,NULL);
INSERT INTO "user" VALUES(9,1,'70000070',1,1790812800000000,'yara.rossi.10@holdfast.example','Yara Rossi',1,1793491200,NULL);
INSERT INTO "user" VALUES(10,1,'70000077',1,1790812800000000,'hugo.young.11@holdfast.example','Hugo Young',1,1793491200,NULL);
INSERT INTO "user" VALUES(11,1,'70000042',1,1790812800000000,'hana.turner.6@holdfast.example','Hana Turner',0,1793491200,NULL);
CREATE TABLE user_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  email TEXT, name TEXT, active INTEGER,
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX pull_stream ON pull (stream, finished);
CREATE INDEX link_history_end ON link_history (valid_to);
CREATE INDEX user_history_end ON user_history (valid_to);
CREATE INDEX account_history_end ON account_history (valid_to);
CREATE INDEX contact_history_end ON contact_history (valid_to);
CREATE INDEX membership_history_end ON membership_history (valid_to);
CREATE INDEX deal_history_end ON deal_history (valid_to);
CREATE INDEX ticket_history_end ON ticket_history (valid_to);
CREATE INDEX survey_response_history_end ON survey_response_history (valid_to);
CREATE INDEX subscription_history_end ON subscription_history (valid_to);
CREATE INDEX invoice_history_end ON invoice_history (valid_to);
CREATE INDEX activity_history_end ON activity_history (valid_to);
CREATE VIEW latest_account AS
  SELECT account.*, source.name AS source_name FROM account JOIN source ON source.id = account.source
  WHERE valid_from IS NOT NULL AND valid_to IS NULL;
CREATE VIEW latest_contact AS
  SELECT contact.*, source.name AS source_name FROM contact JOIN source ON source.id = contact.source
  WHERE valid_from IS NOT NULL AND valid_to IS NULL;
CREATE VIEW latest_link AS
  SELECT link.kind, source.name AS source, contact.source_id, coalesce(c.source_id, a.source_id) AS crm_id,
    link.rule, link.evidence, link.confidence, link.valid_from
  FROM link JOIN contact ON contact.key = link.key JOIN source ON source.id = contact.source
  LEFT JOIN contact c ON link.kind = 'contact' AND c.key = link.crm
  LEFT JOIN account a ON link.kind = 'home' AND a.key = link.crm
  WHERE link.kind IN ('contact', 'home')
  UNION ALL
  SELECT link.kind, source.name, account.source_id, crm.source_id, link.rule, link.evidence, link.confidence,
    link.valid_from
  FROM link JOIN account ON account.key = link.key JOIN source ON source.id = account.source
  JOIN account crm ON crm.key = link.crm WHERE link.kind = 'account';
CREATE VIEW latest_score AS
  SELECT level, crm_id, name, owner_id, score, health, band, coverage, segments, reason,
    datetime(valid_from, 'unixepoch') AS since, run_id
  FROM score;
CREATE UNIQUE INDEX op_key ON op (key) WHERE state IN ('sending', 'in_doubt', 'retry') OR object = 'task';
CREATE INDEX op_state ON op (state);
CREATE TRIGGER op_transition BEFORE UPDATE OF state ON op
WHEN NOT (
     (old.state = 'sending' AND new.state IN ('sending', 'confirmed', 'retry', 'rejected', 'gone', 'in_doubt'))
  OR (old.state = 'in_doubt' AND new.state IN ('in_doubt', 'confirmed', 'retry'))
  OR (old.state = 'retry' AND new.state IN ('sending', 'dropped'))
  OR (old.state = 'dropped' AND new.state = 'sending')
)
BEGIN SELECT raise(ABORT, 'illegal transition in the ledger'); END;
CREATE INDEX contact_role_history_end ON contact_role_history (valid_to);
CREATE INDEX ticket_copy ON ticket (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX ticket_history_copy ON ticket_history (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX activity_task ON activity (account) WHERE task_key IS NOT NULL;
COMMIT;
