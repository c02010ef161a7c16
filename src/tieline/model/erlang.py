"""How often a pool of N numbers is full: the Erlang-B formula, its inverse, and Hayward's form for bursts.

Offered load is in erlangs: reservations per second times the mean seconds a number is held. The formula asks
nothing of how holding times are distributed, only that refused reservations do not come back at once.
"""

from __future__ import annotations

from tieline.errors import InvalidInput

MAX_SERVERS = 1_000_000
"""Where the search for a pool size gives up."""


def erlang_b(numbers: int, load: float) -> float:
    """The share of reservations refused by `numbers` numbers at `load` erlangs. Raises `InvalidInput`."""
    if numbers < 0 or load < 0:
        raise InvalidInput("numbers and load must not be negative")
    blocked = 1.0
    for count in range(1, numbers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_b_numbers(load: float, target: float) -> int:
    """The fewest numbers that refuse at most the share `target` at `load` erlangs. Raises `InvalidInput`."""
    if load < 0 or not 0 < target <= 1:
        raise InvalidInput("the load must not be negative, and the target lies between 0 and 1")
    blocked = 1.0
    for count in range(MAX_SERVERS):
        if blocked <= target:
            return count
        blocked = load * blocked / (count + 1 + load * blocked)
    raise InvalidInput(f"more than {MAX_SERVERS} numbers would be needed")


def hayward(numbers: int, load: float, peakedness: float) -> float:
    """The share refused when arrivals come in bursts: `peakedness` is variance over mean of the busy numbers.

    Hayward's approximation B(N/z, A/z); between whole numbers of N/z it interpolates geometrically. Raises
    `InvalidInput`.
    """
    if peakedness <= 0:
        raise InvalidInput("the peakedness must be positive")
    scaled = numbers / peakedness
    whole = int(scaled)
    lower, upper = erlang_b(whole, load / peakedness), erlang_b(whole + 1, load / peakedness)
    if lower == 0:
        return 0.0
    return float(lower * (upper / lower) ** (scaled - whole))


def hayward_numbers(load: float, target: float, peakedness: float) -> int:
    """The fewest numbers that refuse at most `target` under bursts. Raises `InvalidInput`."""
    if peakedness <= 0:
        raise InvalidInput("the peakedness must be positive")
    count = int(erlang_b_numbers(load / peakedness, target) * peakedness)
    while count > 0 and hayward(count - 1, load, peakedness) <= target:
        count -= 1
    while hayward(count, load, peakedness) > target:
        count += 1
    return count
