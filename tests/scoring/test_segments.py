import pytest

from scoring.errors import CardError
from scoring.features import catalogue
from scoring.segments import FUNCTIONS, parse_rule

GOOD = (
    "open_tickets >= 2 AND usage_change <= -30",
    "NOT (open_tickets = 0) OR plan IN ('team', 'free')",
    "days_to_renewal BETWEEN 0 AND 60",
    "satisfaction IS NULL",
    "satisfaction IS NOT NULL AND TRUE",
    "ABS(usage_change) > 20",
    "COALESCE(satisfaction, 0) + 2 * open_tickets - 1 > -5",
    "LOWER(plan) = 'enterprise' AND mrr >= 100000",
    "plan <> 'it''s'",
)


@pytest.mark.parametrize("rule", GOOD)
def test_rules_that_hold_to_the_grammar(rule: str) -> None:
    parse_rule(rule, catalogue("account"))


BAD = {
    "open_ticket > 1": "unknown feature 'open_ticket'; did you mean 'open_tickets'?",
    "OPEN_TICKETS > 1": "unknown feature 'OPEN_TICKETS'; did you mean 'open_tickets'?",
    "usage_ratio > 1": "unknown feature 'usage_ratio'",
    "ticket.status = 'open'": "unknown feature 'ticket.status'",
    "contact_age_days > 3": "unknown feature 'contact_age_days'",
    "usage_change <= -0.30": "0.30 is not a whole number: shares and changes are whole percent (-30)",
    "mrr > 99999999999999999999": "is too large",
    "plan > 3": "compares a number with a text",
    "open_tickets IN (1, 'a')": "compares a number with a text",
    "plan + 1 > 2": "compares a number with a text",
    "plan + plan = 'a'": "calculates with a text",
    "-plan = 'a'": "calculates with a text",
    "open_tickets": "is not a condition",
    "1": "is not a condition",
    "open_tickets + 1": "is not a condition",
    "open_tickets > (SELECT 1)": "is not a value",
    "EXISTS (SELECT 1)": "is not a condition",
    "open_tickets IN (SELECT 1)": "is not a condition",
    "open_tickets / 2 > 1": "is not a value",
    "open_tickets % 2 = 1": "is not a value",
    "open_tickets * mrr > 1": "must multiply by one whole number of at most 1000000",
    "open_tickets * 1000001 > 1": "must multiply by one whole number",
    "open_tickets * 2 * 3 > 1": "must multiply by one whole number",
    "RANDOM() > 1": "is not allowed; allowed are ABS, COALESCE, LOWER",
    "NOW() > 1": "is not allowed",
    "READ_TEXT('/etc/passwd') = 'x'": "is not allowed",
    "SUM(open_tickets) > 1": "is not allowed",
    "ABS(plan) = 'a'": "needs a number",
    "LOWER(mrr) = 1": "needs a text",
    "open_tickets > $1": "is not a value",
    "open_tickets > ?": "is not a value",
    "CAST(plan AS INT) > 1": "is not allowed",
    "CASE WHEN open_tickets > 1 THEN TRUE END": "is not a condition",
    "SUM(mrr) OVER () > 1": "is not a value",
    "plan LIKE 'a%'": "is not a condition",
    "* > 1": "is not a value",
    "open_tickets > 1; DROP TABLE account": "a rule is one condition, without ';'",
    "open_tickets >": "not a condition: 'open_tickets >' breaks off",
    "(open_tickets > 1": "not a condition: '(open_tickets > 1' breaks off",
    "open_tickets = = 1": "not a condition: it goes wrong at 'open_tickets = ='",
    "plan = 'a": "not a condition: a quotation mark is not closed",
    "  ": "not a condition: it is empty",
    "open_tickets IS TRUE": "is not a condition",
    "(" * 70 + "TRUE" + ")" * 70: "nested deeper than 60",
    "NOT " * 100 + "TRUE": "nested deeper than 60",
    "open_tickets > " + "- " * 200 + "1": "nested deeper than 60",
}


@pytest.mark.parametrize("rule", BAD)
def test_rules_that_do_not(rule: str) -> None:
    with pytest.raises(CardError) as error:
        parse_rule(rule, catalogue("account"), key="here")
    assert error.value.key == "here"
    assert BAD[rule] in error.value.problem


def test_the_functions_are_named_in_the_refusal() -> None:
    with pytest.raises(CardError, match=", ".join(FUNCTIONS)):
        parse_rule("SQRT(mrr) > 2", catalogue("account"))
