"""Where an account stands among all accounts: the middle of a feature, and the fifth that a value lies in."""

from scoring.features import Feature

MIN_PEERS = 30
"""Fewest accounts with a known value for their median to be used."""
MIN_RANKED = 10
"""Fewest accounts with a known value for them to be put into fifths."""
RANKED = ("median", "quintile")
"""Sources of features that look at all accounts; their SQL is an expression over other features."""


def median(feature: Feature, base: str) -> str:
    """The lower median over all rows where the expression is known, as one row; NULL while they are too few."""
    ranked = (
        f"SELECT {feature.sql} AS value, ROW_NUMBER() OVER (ORDER BY {feature.sql}) AS place, "
        f"COUNT(*) OVER () AS total FROM {base} WHERE NOT {feature.sql} IS NULL"
    )
    middle = f"CASE WHEN place = (total + 1) // 2 AND total >= {MIN_PEERS} THEN value END"
    return f"SELECT MAX({middle}) AS {feature.name} FROM ({ranked}) AS ranked"


def quintiles(feature: Feature, base: str) -> str:
    """The fifth of every value, 1 lowest to 5 highest, a row for each; NULL while known values are too few.

    A value lies where the middle of those who share it stands: `1 + 5 (2 below + equal) // (2 all)`. Equal values are
    never split; when all are equal, all stand in the middle fifth.
    """
    counted = (
        f"SELECT {feature.sql} AS value, COUNT(*) AS equal FROM {base} "
        f"WHERE NOT {feature.sql} IS NULL GROUP BY {feature.sql}"
    )
    placed = (
        "SELECT value, equal, CAST(SUM(equal) OVER (ORDER BY value) AS BIGINT) - equal AS below, "
        f"CAST(SUM(equal) OVER () AS BIGINT) AS total FROM ({counted}) AS counted"
    )
    fifth = f"CASE WHEN total >= {MIN_RANKED} THEN 1 + 5 * (2 * below + equal) // (2 * total) END"
    return f"SELECT value, {fifth} AS {feature.name} FROM ({placed}) AS placed"
