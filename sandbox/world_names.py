"""The stock of names the world draws from. All domains end in `.example`, which nobody can own (RFC 2606)."""

OWN_DOMAIN = "holdfast.example"
"""The domain of the software vendor whose customers the companies are."""

FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "gmx.de", "icloud.com", "hotmail.co.uk", "web.de", "qq.com")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _named(text: str) -> tuple[tuple[str, str], ...]:
    """Names as written and as they stand in an address: "Jane" or "Jürgen/juergen"."""
    pairs = (word.partition("/") for word in text.split())
    return tuple((name, plain or name.lower()) for name, _, plain in pairs)


FIRST_NAMES = _named(
    "Anna Ben Clara David Emma Felix Grace Henry Ines Jack Kate Liam Maria Noah Olivia Peter Quinn Rosa Sam Tara "
    "Umar Vera Will Xenia Yusuf Zara Aisha Bruno Carmen Dmitri Elena Farid Gita Hugo Ivy Jonas Karim Lena Marco "
    "Nadia Omar Priya Rahul Sofia Tomas Ursula Viktor Wanda Yara Zoe Alice Brian Chloe Diego Esther Frank Greta "
    "Hana Ivan Julia Kofi Lucas Mei Nils Oscar Paula Rita Simon Thea Uwe Jürgen/juergen Zoë/zoe Łukasz/lukasz "
    "Søren/soren José/jose Chloé/chloe Åsa/asa 健太/kenta 美咲/misaki Олег/oleg Νίκος/nikos Đorđe/djordje Siân/sian "
    "O'Neil/oneil"
)

LAST_NAMES = _named(
    "Adams Baker Clark Davis Evans Foster Green Harris Irwin Jones King Lewis Moore Nash Owens Parker Reed Scott "
    "Turner Underwood Vance Walker Young Zhang Ahmed Brandt Costa Dubois Eriksen Fischer Garcia Hansen Ito Jansen "
    "Kowalski Lopez Meyer Novak Okafor Patel Rossi Schmidt Tanaka Ueda Varga Weber Xu Yilmaz Zapata Abbott Becker "
    "Chen Das Egger Ferreira Gupta Haas Ivanova Jensen Khan Larsen Mancini Nguyen Olsen Popescu Quist Romero "
    "Silva Torres Ulrich Virtanen Wagner Wolf Yamada Ziegler Murphy Kelly Byrne Cohen Levy Friedman Bauer Keller "
    "Vogel Sommer Winter Stone Rivers Field Marsh Brook Hill Dale Wood Park Lake Müller/mueller Grüber/grueber "
    "Čapek/capek Nuñez/nunez Åberg/aberg Lefèvre/lefevre Øster/oster O'Brien/obrien D'Angelo/dangelo 佐藤/sato "
    "王/wang Петров/petrov"
)

COMPANY_WORDS = _words(
    "Acorn Alder Amber Anchor Apex Arbor Argon Aspen Atlas Aurora Badger Basalt Beacon Birch Blue Bold Boreal "
    "Bright Bronze Cedar Chalk Cinder Clear Cobalt Copper Coral Crane Crest Crown Delta Dune Eagle East Echo Elm "
    "Ember Evergreen Falcon Fern Flint Forge Fox Garnet Glacier Gold Granite Grove Harbor Hawk Hazel Helix Heron "
    "Hollow Indigo Iron Ivory Jade Juniper Kestrel Lantern Larch Laurel Ledge Lime Linden Lunar Lynx Maple Marble "
    "Meadow Mesa Mint Moss Nimbus North Nova Oak Ocean Onyx Opal Orbit Osprey Otter Pearl Pine Pioneer Polar "
    "Prairie Prism Quartz Quill Rapid Raven Redwood Ridge River Robin Rowan Ruby Saffron Sage Sequoia Silver "
    "Slate Solar Sparrow Spruce Summit Swift Teal Tern Thistle Timber Topaz Trail Tulip Umber Vale Vector Velvet "
    "Violet Vista West Willow Wren Yarrow Zephyr Zinc"
)

COMPANY_KINDS = _words(
    "Analytics Audio Bank Biotech Books Builders Capital Care Catering Clinics Cloud Coffee Consulting Courier "
    "Data Dental Design Diagnostics Digital Distribution Education Electric Energy Engineering Events Farms "
    "Fashion Finance Fitness Foods Freight Furniture Games Garden Health Homes Hotels Insurance Interiors Labs "
    "Law Leasing Learning Logistics Marine Market Materials Media Metals Mobility Motors Music Networks Optics "
    "Outdoor Packaging Paper Pharma Photo Power Press Properties Rail Recruiting Research Retail Robotics "
    "Sciences Security Services Shipping Software Solar Sports Steel Studio Supply Systems Telecom Textiles Tools "
    "Toys Trading Travel Ventures Vision Water Works"
)

COMPANY_ENDINGS = ("", "", "", " Inc.", " Ltd", " GmbH", " LLC", " AG", " & Co.", " Group", " S.A.", " B.V.")

UNICODE_COMPANIES = (
    ("Bäckerei Förster", "bäckerei-förster"),
    ("Société Générale de Café", "société-café"),
    ("Smörgås & Søn", "smörgås"),
    ("Åkeri Öst", "åkeri-öst"),
    ("Compañía Ñandú", "compañía-ñandú"),
    ("株式会社あおぞら", "aozora"),
    ("Кофейня Заря", "zarya"),
    ("Zürich Möbel", "zürich-möbel"),
)
"""Names with letters outside ASCII and the domain label that goes with them."""

HOSTILE_COMPANIES = (
    '=cmd|" /C calc"!A0',
    "<b>Bold & Söhne</b><script>alert(1)</script>",
    "Quote \"The\" Company, 'Inc'; DROP TABLE account;--",
    "\u202e\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd\u202c Ltd",
    "Very Long Name " + "Holding " * 29,
    "  leading and trailing  ",
    "Line\nbreak Ltd",
    "Tab\tand 🦊 Emoji GmbH",
    "@SUM(1+1)*cmd",
    "null",
    "12345",
    "e\u0301 combining Accents",
    "-2+3 Partners",
    "%s %d {0} ${jndi}",
)
"""Names that break careless code: spreadsheet formulas, markup, quotes, right-to-left marks, format strings."""

TITLES = {
    "economic_buyer": ("Head of Operations", "VP Finance", "COO", "Procurement Lead", "Managing Director", "Owner"),
    "executive_sponsor": ("CEO", "CTO", "Chief Customer Officer", "SVP Product", "Founder"),
    "team": ("Operations Manager", "Team Lead", "System Administrator", "Project Manager", "Data Manager"),
    "user": ("Analyst", "Specialist", "Coordinator", "Engineer", "Assistant", "Consultant", "Account Manager", ""),
}

SHARED_INBOXES = (("Support", "support"), ("Billing", "billing"), ("IT Helpdesk", "it"), ("Info", "info"))

EVENT_NAMES = (
    "Viewed login page",
    "Signed in",
    "Viewed dashboard",
    "Created report",
    "Edited report",
    "Invited user",
    "Exported data",
    "Ran automation",
    "Opened help",
)
"""What can happen in the product. The first only happens before sign-in."""
