"""Districts and cities of Samara Region, where the invented records are at home.

Names and codes are those of the classifier ОКТМО (ОК 033-2013, section 36). Everything else about
a place that the demonstration publishes (inhabitants, area, days) is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REGION_OKTMO: Final = "36000000"
_CITIES: Final = "7"
_CITY_OF_SAMARA: Final = "36701000"
_CITY_OF_TOLYATTI: Final = "36740000"
_CITY_OF_SYZRAN: Final = "36735000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One municipality of the upper level."""

    oktmo: str
    """8 digits, without the control digit."""
    name: str
    """As in the classifier: `Самара`, `Борский муниципальный район`."""
    centre: str
    """Kind and name of the main settlement: `с Борское`."""
    postcode: str
    """First three digits of its postcodes."""

    @property
    def is_city(self) -> bool:
        """Whether it is an urban district (городской округ)."""
        return self.oktmo[2] == _CITIES

    @property
    def okato(self) -> str:
        """Its code in the older classifier ОКАТО, 11 digits."""
        level = "4" if self.is_city else "2"
        return f"36{level}{self.oktmo[3:5]}000000"

    @property
    def full_name(self) -> str:
        """Name with the kind: `городской округ Самара`."""
        return f"городской округ {self.name}" if self.is_city else self.name

    @property
    def of_name(self) -> str:
        """Name as an owner is named: `городского округа Самара`, `Борского … района`."""
        if self.is_city:
            return f"городского округа {self.name}"
        return self.name.replace("ий муниципальный район", "ого муниципального района")


_ROWS: Final = """
36602000|Алексеевский муниципальный район|с Алексеевка|446
36604000|Безенчукский муниципальный район|пгт Безенчук|446
36606000|Богатовский муниципальный район|с Богатое|446
36608000|Большеглушицкий муниципальный район|с Большая Глушица|446
36610000|Большечерниговский муниципальный район|с Большая Черниговка|446
36612000|Борский муниципальный район|с Борское|446
36614000|Волжский муниципальный район|г Самара|443
36615000|Елховский муниципальный район|с Елховка|446
36616000|Исаклинский муниципальный район|с Исаклы|446
36617000|Камышлинский муниципальный район|с Камышла|446
36618000|Кинельский муниципальный район|г Кинель|446
36620000|Кинель-Черкасский муниципальный район|с Кинель-Черкассы|446
36622000|Клявлинский муниципальный район|ж/д ст Клявлино|446
36624000|Кошкинский муниципальный район|с Кошки|446
36626000|Красноармейский муниципальный район|с Красноармейское|446
36628000|Красноярский муниципальный район|с Красный Яр|446
36630000|Нефтегорский муниципальный район|г Нефтегорск|446
36632000|Пестравский муниципальный район|с Пестравка|446
36634000|Похвистневский муниципальный район|г Похвистнево|446
36636000|Приволжский муниципальный район|с Приволжье|445
36638000|Сергиевский муниципальный район|с Сергиевск|446
36640000|Ставропольский муниципальный район|г Тольятти|445
36642000|Сызранский муниципальный район|г Сызрань|446
36644000|Хворостянский муниципальный район|с Хворостянка|445
36646000|Челно-Вершинский муниципальный район|с Челно-Вершины|446
36648000|Шенталинский муниципальный район|ж/д ст Шентала|446
36650000|Шигонский муниципальный район|с Шигоны|446
36701000|Самара|г Самара|443
36704000|Жигулевск|г Жигулевск|445
36708000|Кинель|г Кинель|446
36713000|Новокуйбышевск|г Новокуйбышевск|446
36718000|Октябрьск|г Октябрьск|445
36724000|Отрадный|г Отрадный|446
36727000|Похвистнево|г Похвистнево|446
36735000|Сызрань|г Сызрань|446
36740000|Тольятти|г Тольятти|445
36750000|Чапаевск|г Чапаевск|446
"""


def _places() -> tuple[Place, ...]:
    rows = (line.split("|") for line in _ROWS.split("\n") if line)
    return tuple(
        Place(oktmo=oktmo, name=name, centre=centre, postcode=postcode)
        for oktmo, name, centre, postcode in rows
    )


PLACES: Final = _places()
SAMARA: Final = next(place for place in PLACES if place.oktmo == _CITY_OF_SAMARA)
TOLYATTI: Final = next(place for place in PLACES if place.oktmo == _CITY_OF_TOLYATTI)
SYZRAN: Final = next(place for place in PLACES if place.oktmo == _CITY_OF_SYZRAN)
