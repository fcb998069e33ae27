"""Who the customers of the demo company are. All are fictional; `.example` domains belong to nobody."""

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto

STARTER, TEAM, BUSINESS, ENTERPRISE = "starter", "team", "business", "enterprise"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer sits, and with that its zone and the currency that it is offered."""

    city: str
    country: str
    postal_code: str
    state: str
    zone: str
    currency: str


_PLACES = {
    place.city: place
    for place in (
        Place("New York", "US", "10013", "NY", "America/New_York", "USD"),
        Place("Chicago", "US", "60607", "IL", "America/Chicago", "USD"),
        Place("San Francisco", "US", "94107", "CA", "America/Los_Angeles", "USD"),
        Place("Toronto", "CA", "M5V 2T6", "ON", "America/Toronto", "USD"),
        Place("São Paulo", "BR", "01310-100", "SP", "America/Sao_Paulo", "USD"),
        Place("London", "GB", "EC2A 4NE", "", "Europe/London", "EUR"),
        Place("Dublin", "IE", "D02 AF30", "", "Europe/Dublin", "EUR"),
        Place("Berlin", "DE", "10119", "", "Europe/Berlin", "EUR"),
        Place("Paris", "FR", "75011", "", "Europe/Paris", "EUR"),
        Place("Madrid", "ES", "28004", "", "Europe/Madrid", "EUR"),
        Place("Helsinki", "FI", "00100", "", "Europe/Helsinki", "EUR"),
        Place("Tokyo", "JP", "150-0002", "Tokyo", "Asia/Tokyo", "JPY"),
        Place("Osaka", "JP", "530-0001", "Osaka", "Asia/Tokyo", "JPY"),
        Place("Singapore", "SG", "048623", "", "Asia/Singapore", "USD"),
        Place("Bengaluru", "IN", "560001", "KA", "Asia/Kolkata", "USD"),
        Place("Sydney", "AU", "2000", "NSW", "Australia/Sydney", "USD"),
    )
}


class Anchor(Enum):
    """On which day a customer's periods begin."""

    CALENDAR = auto()  # the first of the month
    START = auto()  # the day on which they subscribed
    THE_31ST = auto()  # 31 January and its recurrences: the last day of shorter months
    JUST_CLOSED = auto()  # shortly before the seeded history ends
    LEFT_OPEN = auto()  # between then and now: worker and beat find these due
    SOON = auto()  # in the next minutes: worker and beat close these while the visitor looks


class Trait(Enum):
    """What makes a customer different from one that simply pays."""

    COUPON = auto()  # subscribed with the welcome coupon
    DECLINES = auto()  # the card has been declining for weeks
    DECLINED_ONCE = auto()  # the card declined once; the new one paid at a retry
    DECLINES_NOW = auto()  # the card began to decline with the newest invoice
    MUST_CONFIRM = auto()  # the bank asks for confirmation of the newest payment
    LONGER_TERM = auto()  # the newest charge failed, and they have two weeks to pay
    PAYS_LATE = auto()  # bank transfer, some weeks after the due date
    STOPPED_PAYING = auto()  # bank transfer, none since summer
    PAYS_IN_PART = auto()  # bank transfer, short by bank charges
    FORGETS_REPORTS = auto()  # storage is not reported in every month
    SMS = auto()  # own terms with a feature whose meter was deleted since
    MORE_CALLS = auto()  # was granted more API calls than the plan has, twice
    GPU = auto()  # own terms, backdated, with a meter that can't read what was sent before it
    SENDS_LATE = auto()  # compute of weeks ago came after its period was billed
    IN_PARTS = auto()  # usage is billed by hand before its period ends
    ONBOARDED = auto()  # the newest draft has a charge by hand
    WENT_QUIET = auto()  # has used nothing for five weeks
    SEATS_GROW = auto()  # adds seats, billed at once
    SEATS_SHRINK = auto()  # gives seats back, from the next period on
    SEATS_EXTEND = auto()  # adds seats and moves the period's end out


@dataclass(frozen=True, slots=True)
class Company:
    """A customer. It subscribed in the `month`-th month of the story (from 0), on `day`; None: just now."""

    name: str
    place: Place
    street: str
    plan: str
    month: int | None
    day: int = 1
    seats: int = 1
    anchor: Anchor = Anchor.CALENDAR
    traits: frozenset[Trait] = frozenset()

    @property
    def key(self) -> str:
        """The customer's key: its name in lower-case ASCII, words joined by dashes."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

    @property
    def email(self) -> str:
        return f"accounts@{self.key}.example"

    @property
    def size(self) -> int:
        """How much it uses, from 1 to 5, by its name: the same in every seeding."""
        return 1 + sum(self.name.encode()) % 5

    @property
    def by_bank_transfer(self) -> bool:
        return self.plan == ENTERPRISE


def _company(
    name: str,
    city: str,
    street: str,
    plan: str,
    month: int | None,
    day: int = 1,
    *traits: Trait,
    seats: int = 1,
    anchor: Anchor = Anchor.CALENDAR,
) -> Company:
    return Company(name, _PLACES[city], street, plan, month, day, seats, anchor, frozenset(traits))


_START, _LAST_DAY, _CLOSED = Anchor.START, Anchor.THE_31ST, Anchor.JUST_CLOSED
_OPEN, _SOON = Anchor.LEFT_OPEN, Anchor.SOON

COMPANIES = (
    # The founding customers.
    _company("Alder & Finch Studio", "London", "14 Curtain Road", STARTER, 0, 2, Trait.COUPON, Trait.MORE_CALLS),
    _company("Bluefjord Analytics", "Helsinki", "Fredrikinkatu 33", BUSINESS, 0, 2),
    _company("Cobalt Harbor Logistics", "New York", "180 Varick Street", ENTERPRISE, 0, 3, Trait.PAYS_LATE),
    _company("Dunmore Media", "Dublin", "8 Harcourt Street", TEAM, 0, 4, Trait.SEATS_GROW, seats=6),
    _company("Estrela Pagamentos", "São Paulo", "Avenida Paulista 1374", BUSINESS, 0, 5),
    _company("Feldspar Robotics", "Berlin", "Torstraße 201", ENTERPRISE, 0, 5, Trait.IN_PARTS),
    _company("Granite Peak Outfitters", "Chicago", "910 West Van Buren", STARTER, 0, 6, anchor=_START),
    _company("Hoshizora Games", "Tokyo", "2-21-1 Shibuya", TEAM, 0, 9, Trait.SEATS_GROW, seats=12),
    _company(
        "Isarwinkel Software",
        "Berlin",
        "Linienstraße 40",
        TEAM,
        0,
        10,
        Trait.FORGETS_REPORTS,
        Trait.MORE_CALLS,
        seats=4,
    ),
    _company("Juniper Lane Bakery", "San Francisco", "475 Brannan Street", STARTER, 0, 11, anchor=_LAST_DAY),
    _company("Kestrel Freight", "Toronto", "120 Spadina Avenue", BUSINESS, 0, 12, anchor=_START),
    _company("Lumière Éditions", "Paris", "22 rue Oberkampf", TEAM, 0, 16, seats=9, anchor=_LAST_DAY),
    _company("Minamoto Foods", "Osaka", "3-1-3 Umeda", ENTERPRISE, 0, 17),
    _company("Northgate Dental Group", "Chicago", "222 North LaSalle", TEAM, 0, 18, Trait.DECLINES, seats=5),
    _company("Ottershaw Insurance", "London", "3 Finsbury Square", ENTERPRISE, 0, 19, Trait.STOPPED_PAYING),
    _company("Palo Verde Energy", "San Francisco", "595 Market Street", ENTERPRISE, 0, 23, anchor=_CLOSED),
    # The second month.
    _company("Quillwork Press", "New York", "75 Broad Street", STARTER, 1, 2, Trait.COUPON, anchor=_START),
    _company("Rivière Claire Conseil", "Paris", "9 rue de Charonne", BUSINESS, 1, 3),
    _company("Sakura Robotics", "Tokyo", "1-9-2 Marunouchi", TEAM, 1, 6, Trait.SEATS_SHRINK, seats=20),
    _company("Tamarind Kitchens", "Singapore", "71 Robinson Road", STARTER, 1, 9, Trait.MORE_CALLS),
    _company("Umbra Photo", "Madrid", "Calle de Fuencarral 77", STARTER, 1, 10, anchor=_OPEN),
    _company("Vantage Point Surveys", "Sydney", "44 Market Street", TEAM, 1, 14, Trait.SEATS_EXTEND, seats=7),
    _company("Wattle Creek Wines", "Sydney", "1 Macquarie Place", STARTER, 1, 17, Trait.DECLINED_ONCE),
    _company("Xylem Paper Mills", "Helsinki", "Aleksanterinkatu 15", ENTERPRISE, 1, 21, Trait.PAYS_IN_PART),
    # The third.
    _company("Yarrow Health", "London", "60 Great Portland Street", BUSINESS, 2, 2, anchor=_OPEN),
    _company("Zephyr Airfreight", "Chicago", "333 South Wabash", ENTERPRISE, 2, 3, Trait.ONBOARDED, anchor=_CLOSED),
    _company("Amberlight Cinemas", "Dublin", "31 Dame Street", TEAM, 2, 4, seats=8, anchor=_START),
    _company("Banyan Learning", "Bengaluru", "24 Residency Road", TEAM, 2, 8, Trait.COUPON, seats=15),
    _company("Cinder & Oak", "New York", "55 Water Street", STARTER, 2, 11, Trait.MUST_CONFIRM, anchor=_CLOSED),
    _company("Daruma Logistics", "Osaka", "2-4-9 Nakanoshima", STARTER, 2, 12),
    _company("Eiderdown Hotels", "Helsinki", "Mannerheimintie 20", TEAM, 2, 16, seats=11, anchor=_OPEN),
    _company("Fennel & Rye", "Berlin", "Kastanienallee 82", STARTER, 2, 18, Trait.SMS),
    # The fourth.
    _company("Gingko Systems", "Tokyo", "3-2-1 Kasumigaseki", BUSINESS, 3, 1),
    _company("Halyard Marine", "Toronto", "200 Wellington Street", TEAM, 3, 3, Trait.SEATS_GROW, seats=5),
    _company("Inkwell Legal", "London", "19 Chancery Lane", STARTER, 3, 7, Trait.SMS),
    _company("Jacaranda Media", "São Paulo", "Rua Oscar Freire 379", STARTER, 3, 8, anchor=_OPEN),
    _company("Kirkstall Engineering", "London", "5 Old Street", ENTERPRISE, 3, 9, Trait.WENT_QUIET, anchor=_CLOSED),
    _company("Larkspur Clinics", "San Francisco", "650 California Street", BUSINESS, 3, 14, anchor=_START),
    _company("Mosaic Ventures", "New York", "1 Vanderbilt Avenue", STARTER, 3, 15, anchor=_OPEN),
    # The fifth.
    _company("Obsidian Climbing", "Madrid", "Gran Vía 31", STARTER, 4, 2, anchor=_LAST_DAY),
    _company("Pemberton Archives", "Toronto", "10 King Street East", BUSINESS, 4, 4),
    _company("Quarry Lane Press", "Dublin", "14 Fitzwilliam Place", TEAM, 4, 7, Trait.FORGETS_REPORTS, seats=3),
    _company("Rooftop Solar Collective", "Sydney", "161 Castlereagh Street", ENTERPRISE, 4, 8, Trait.SENDS_LATE),
    _company("Seagrass Biotech", "Singapore", "9 Raffles Place", BUSINESS, 4, 10, Trait.DECLINES_NOW, anchor=_CLOSED),
    _company("Tsubame Rail Data", "Tokyo", "1-6-5 Marunouchi", ENTERPRISE, 4, 14, anchor=_CLOSED),
    _company("Ulster Linen Works", "Dublin", "2 Grand Canal Square", STARTER, 4, 17, anchor=_OPEN),
    # The sixth.
    _company("Nimbus Robotics Lab", "Bengaluru", "88 Koramangala", STARTER, 5, 5, Trait.GPU),
    _company("Verdigris Architects", "Paris", "41 boulevard Voltaire", TEAM, 5, 1, Trait.COUPON, seats=10),
    _company("Willow & Pike", "Chicago", "1 North State Street", STARTER, 5, 3, Trait.DECLINED_ONCE),
    _company("Xanthe Cosmetics", "Madrid", "Calle Serrano 45", TEAM, 5, 8, seats=4, anchor=_OPEN),
    _company("Yamabuki Press", "Osaka", "1-12-12 Shinsaibashi", STARTER, 5, 11),
    _company("Zinc Street Gym", "New York", "620 Eighth Avenue", STARTER, 5, 16, anchor=_START),
    _company("Aurochs Dairy", "Helsinki", "Bulevardi 6", BUSINESS, 5, 18, Trait.LONGER_TERM, anchor=_CLOSED),
    # The seventh and eighth.
    _company("Brindle Coffee Roasters", "San Francisco", "2 Embarcadero Center", STARTER, 6, 2, Trait.COUPON),
    _company("Caravel Shipping", "Singapore", "80 Anson Road", ENTERPRISE, 6, 6, Trait.SENDS_LATE),
    _company("Dovecote Publishing", "London", "7 Bedford Square", TEAM, 6, 9, seats=6, anchor=_SOON),
    _company("Ember & Ash Ceramics", "Berlin", "Oranienstraße 25", STARTER, 6, 15, anchor=_OPEN),
    _company("Fjordline Ferries", "Helsinki", "Kanavaranta 1", BUSINESS, 6, 20, anchor=_SOON),
    _company("Gale Force Sailing", "Sydney", "32 Bridge Street", STARTER, 7, 2, anchor=_OPEN),
    _company("Hinode Travel", "Tokyo", "4-10-3 Nihonbashi", TEAM, 7, 5, seats=8, anchor=_START),
    _company("Iron Lantern Brewing", "Chicago", "400 North Aberdeen", STARTER, 7, 9, anchor=_SOON),
    _company("Jasper Ridge Schools", "San Francisco", "1 Post Street", TEAM, 7, 13, Trait.SEATS_GROW, seats=18),
    # Just now: nothing of theirs has been billed.
    _company("Kittiwake Charters", "Dublin", "6 Sir John Rogerson's Quay", STARTER, None, anchor=_START),
    _company("Lodestar Academy", "New York", "33 Irving Place", TEAM, None, seats=5, anchor=_START),
    _company("Mirador Realty", "Madrid", "Paseo de la Castellana 81", BUSINESS, None, anchor=_START),
)
