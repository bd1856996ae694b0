#!/usr/bin/env python3
"""Writes opportunityHistory.json: invented opportunities, shaped and flawed like a real Salesforce export.

An array of objects with the account nested in each, as jsforce returns a query, less its `attributes`.

Usage: generate_opportunities.py [--rows 5000] [--seed 7] > opportunityHistory.json

The same arguments give the same bytes; only Python's standard library is used. What is in it on purpose:

signal   deal size against the customer's size, lead source, type, competitor, activities per week, postponed close dates,
         industry, owner, end of quarter; and chance
leaks    known only once the deal is closed: StageName, Probability, ForecastCategory, ExpectedRevenue, LossReason__c,
         SignedDate__c
open     IsClosed = false: IsWon is false there, and says nothing yet
gaps     Amount, Industry, NumberOfEmployees, LeadSource, Competitor__c and Activities__c are missing, not at random
noise    one lead source spelled four ways, amounts typed with three zeros too many, close dates before the creation date,
         a field that nobody fills and one that is the same everywhere
drift    prices rise, a competitor enters in 2023, partners send more and worse leads, the win rate falls
"""

import argparse
import json
import math
import random
import sys
from datetime import date, datetime, timedelta

EXPORTED = date(2025, 2, 1)
STARTED = date(2021, 1, 4)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

INDUSTRIES = {  # share of accounts, effect on winning
    "Manufacturing": (0.20, 0.2), "Banking": (0.12, -0.7), "Healthcare": (0.14, 0.4), "Retail": (0.15, 0.0),
    "Technology": (0.17, 0.3), "Energy": (0.08, -0.3), "Education": (0.08, 0.6), "Government": (0.06, -0.9),
}
LEAD_SOURCES = {  # share, effect on winning
    "Web": (0.30, -0.5), "Partner Referral": (0.18, 0.5), "Trade Show": (0.16, -0.2), "Phone Inquiry": (0.14, 0.2),
    "Customer Referral": (0.12, 1.1), "Purchased List": (0.10, -1.1),
}
TYPES = {  # share, effect on winning, size of the deal
    "New Business": (0.55, -0.5, 1.0), "Existing Business": (0.30, 0.6, 0.7), "Renewal": (0.15, 1.3, 0.5),
}
OPEN_STAGES = [("Prospecting", 10, "Pipeline"), ("Qualification", 20, "Pipeline"), ("Needs Analysis", 35, "Pipeline"),
               ("Proposal/Price Quote", 60, "BestCase"), ("Negotiation/Review", 80, "Commit")]
LOSS_REASONS = ["Price", "Lost to Competitor", "No Decision", "No Budget", "Other"]
PRODUCTS = ["Platform", "Sensors", "Service Contract", "Analytics", "Training"]


def pick(rng, shares):
    """A key of `shares`, by the share that its value is or begins with."""
    weights = [value[0] if isinstance(value, tuple) else value for value in shares.values()]
    return rng.choices(list(shares), weights)[0]


def salesforce_id(rng, prefix):
    return prefix + "5g00000" + "".join(rng.choices(ALPHABET, k=5)) + "".join(rng.choices(ALPHABET[:26], k=3))


def make_accounts(rng, count):
    accounts = []
    for number in range(count):
        employees = int(math.exp(rng.gauss(5.2, 1.3))) + 3
        accounts.append({
            "id": salesforce_id(rng, "001"),
            "name": f"Customer {number + 1:04}",
            "industry": pick(rng, INDUSTRIES),
            "employees": employees,
            "warmth": rng.gauss(0, 0.35),  # never exported: what no model can know
        })
    return accounts


def make_owners(rng, count):
    return [{"id": salesforce_id(rng, "005"), "skill": rng.gauss(0, 0.45)} for _ in range(count)]


def lead_source(rng, year):
    """Partners send more leads every year."""
    shares = {name: share for name, (share, _) in LEAD_SOURCES.items()}
    shares["Partner Referral"] *= 1 + 0.35 * (year - 2021)
    return pick(rng, shares)


def competitor(rng, year):
    """Mostly nobody; from 2023 on somebody cheaper."""
    shares = {None: 0.5, "Acme Cloud": 0.2, "Borealis": 0.15, "In-house": 0.15}
    if year >= 2023:
        shares["Nimbus"] = 0.15 * (year - 2022)
    return pick(rng, shares)


def log_odds(deal, account, owner):
    """What the history says of the deal, as log odds of winning."""
    year = deal["created"].year
    size = math.log(deal["amount"] / (400 * account["employees"] ** 0.6))
    pace = deal["activities"] / max(deal["days_open"] / 7, 1)
    rivals = {None: 0.5, "Acme Cloud": -0.3, "Borealis": 0.1, "In-house": -0.8, "Nimbus": -1.4}
    odds = 0.35 - 0.16 * (year - 2021)
    odds -= 0.55 * size + 0.35 * max(size - 0.8, 0) ** 2
    odds += INDUSTRIES[account["industry"]][1] + TYPES[deal["type"]][1] + rivals[deal["competitor"]]
    odds += LEAD_SOURCES[deal["source"]][1]
    if deal["source"] == "Partner Referral":
        odds -= 0.3 * (year - 2021)
    # Nobody buys without being met; too much of it is a customer who can't decide.
    odds += 1.5 * math.exp(-((pace - 1.3) ** 2)) - 0.9
    odds -= 0.45 * deal["pushed"] + 0.004 * max(deal["days_open"] - 120, 0)
    if deal["closes"].month % 3 == 0 and deal["type"] == "New Business":
        odds += 0.6  # discounts at the end of the quarter
    return odds + owner["skill"] + account["warmth"]


def make_deal(rng, account, owner):
    days = (EXPORTED - STARTED).days
    created = STARTED + timedelta(days=int(days * rng.random() ** 0.8))  # business grows
    kind = pick(rng, TYPES)
    price = 1 + 0.06 * (created.year - 2021)
    amount = 400 * account["employees"] ** 0.6 * TYPES[kind][2] * price * math.exp(rng.gauss(0, 0.8))
    pushed = min(int(rng.expovariate(1.1)), 6)
    days_open = int(math.exp(rng.gauss(3.9, 0.6))) + 30 * pushed + 2
    deal = {
        "created": created,
        "days_open": days_open,
        "closes": created + timedelta(days=days_open),
        "type": kind,
        "amount": 10 * round(amount / 10) + 50,
        "source": lead_source(rng, created.year),
        "competitor": competitor(rng, created.year),
        "pushed": pushed,
        "activities": int(rng.gammavariate(2.0, 0.7) * days_open / 7 + rng.random() * 2),
    }
    odds = log_odds(deal, account, owner)
    deal["won"] = rng.random() < 1 / (1 + math.exp(-1.15 * odds))
    deal["closed"] = deal["closes"] < EXPORTED
    return deal


def spoil(rng, deal, account):
    """Gaps and typing errors, made after the outcome is decided."""
    cells = {
        "amount": deal["amount"],
        "source": deal["source"],
        "competitor": deal["competitor"],
        "activities": deal["activities"],
        "closes": deal["closes"],
        "employees": account["employees"],
        "industry": account["industry"],
    }
    if rng.random() < (0.03 if deal["closed"] else 0.15):
        cells["amount"] = None
    elif rng.random() < 0.004:
        cells["amount"] *= 1000
    if rng.random() < (0.12 if account["employees"] < 100 else 0.04):
        cells["employees"] = None
    if rng.random() < 0.05:
        cells["industry"] = None
    if rng.random() < (0.12 if deal["created"].year < 2022 else 0.04):
        cells["source"] = None
    elif deal["source"] == "Web":
        cells["source"] = rng.choices(["Web", "web", "Website", "Web "], [0.85, 0.06, 0.06, 0.03])[0]
    if deal["created"].year < 2022 and rng.random() < 0.5:
        cells["competitor"] = None  # the field was not asked for before
    if rng.random() < 0.06:
        cells["activities"] = None
    if deal["closed"] and rng.random() < 0.005:
        cells["closes"] = deal["created"] - timedelta(days=rng.randint(1, 20))
    return cells


def outcome(rng, deal, amount):
    """The fields that follow from how the deal stands."""
    if not deal["closed"]:
        stage, probability, forecast = rng.choice(OPEN_STAGES)
    elif deal["won"]:
        stage, probability, forecast = "Closed Won", 100, "Closed"
    else:
        stage, probability, forecast = "Closed Lost", 0, "Omitted"
    won = deal["closed"] and deal["won"]
    lost = deal["closed"] and not deal["won"]
    signed = deal["closes"] - timedelta(days=rng.randint(0, 3)) if won and rng.random() < 0.9 else None
    return {
        "StageName": stage,
        "Probability": probability,
        "ForecastCategory": forecast,
        "ExpectedRevenue": None if amount is None else round(amount * probability / 100, 2),
        "IsClosed": deal["closed"],
        "IsWon": won,
        "LossReason__c": rng.choice(LOSS_REASONS) if lost and rng.random() < 0.7 else None,
        "SignedDate__c": signed and signed.isoformat(),
    }


def make_opportunity(rng, account, owner):
    deal = make_deal(rng, account, owner)
    cells = spoil(rng, deal, account)
    at = datetime(deal["created"].year, deal["created"].month, deal["created"].day,
                  rng.randint(7, 18), rng.randint(0, 59), rng.randint(0, 59))
    return dict(
        Id=salesforce_id(rng, "006"),
        Name=f"{account['name']} - {rng.choice(PRODUCTS)}",
        AccountId=account["id"],
        Account=dict(Industry=cells["industry"], NumberOfEmployees=cells["employees"]),
        OwnerId=owner["id"],
        Type=deal["type"],
        LeadSource=cells["source"],
        Amount=cells["amount"],
        CurrencyIsoCode="EUR",
        CreatedDate=at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        CloseDate=cells["closes"].isoformat(),
        PushCount=deal["pushed"],
        Activities__c=cells["activities"],
        Competitor__c=cells["competitor"],
        NextStep=None,
        **outcome(rng, deal, cells["amount"]),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000, help="how many opportunities")
    parser.add_argument("--seed", type=int, default=7, help="equal seeds give equal files")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    accounts = make_accounts(rng, max(arguments.rows // 4, 1))
    owners = make_owners(rng, 18)
    rows = (json.dumps(make_opportunity(rng, rng.choice(accounts), rng.choice(owners)), separators=(",", ":"))
            for _ in range(arguments.rows))
    sys.stdout.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
