"""The catalogue: every figure has a source or is an empty cell, what is filled is marked; draws."""

import csv
import re
from collections import Counter

import numpy as np
import pytest

from devices import UnknownName, draw_networks, draw_phones, find_phone, market_weights, phones, read_phones
from devices.phones import CSV, FILLED_BY_MEDIAN, TIERS
from devices.populations import TIER_SHARE, YEAR_SHARE

with CSV.open(newline="") as file:
    ROWS = list(csv.DictReader(file))

EVIDENCE = {
    # a figure, and where its derivation or source must stand
    "cpu_fp32_peak_gflops": ("cpu_peak_derivation", r"derived|https?://"),
    "cpu_fp32_big_mid_gflops": ("cpu_peak_derivation", r"derived|https?://"),
    "gpu_fp32_peak_gflops": ("gpu_peak_basis", r"\w"),
    "gpu_fp16_peak_gflops": ("gpu_peak_basis", r"\w"),
    "memory_bandwidth_gb_s": ("memory_bandwidth_basis", r"\w"),
    "battery_wh": ("battery_wh_basis", r"\w"),
    "cpu_allcore_power_w": ("source_urls", r"freqbench"),
    "llm_prefill_power_w": ("source_urls", r"LLM-Profiler|2504\.13938"),
    "llm_decode_power_w": ("source_urls", r"LLM-Profiler|2504\.13938"),
    "llm_training_power_w": ("source_urls", r"2504\.13938"),
    "gpu_3dmark_stability_pct": ("source_urls", r"nanoreview"),
    "ram_gb": ("source_urls", r"https?://"),
    "battery_mah": ("source_urls", r"https?://"),
}


def test_catalogue_has_all_phones_once():
    assert len(ROWS) == len(phones()) == 97


@pytest.mark.parametrize("column", EVIDENCE)
def test_every_figure_has_a_source_or_an_empty_cell(column):
    where, pattern = EVIDENCE[column]
    for row in ROWS:
        if row[column].strip():
            float(row[column])
            assert re.search(pattern, row[where]), f"{row['phone_id']}: {column} has no source in {where}"
            assert re.search(r"https?://", row["source_urls"]), row["phone_id"]


def test_every_numeric_column_is_under_the_rule():
    numeric = {c for c in ROWS[0] if c not in EVIDENCE and any(re.fullmatch(r"[\d.]+", r[c].strip()) for r in ROWS)}
    assert numeric <= {"release_year", "ram_options_gb", "model"}


def test_derived_peaks_multiply_out():
    for row in ROWS:
        product = re.match(r"derived: ([\d.*+ ]+)", row["cpu_peak_derivation"])
        if product:
            terms = [np.prod([float(f) for f in term.split("*")]) for term in product[1].split("+")]
            assert float(row["cpu_fp32_peak_gflops"]) == pytest.approx(sum(terms), abs=0.06), row["phone_id"]


def test_what_is_filled_is_marked_and_nothing_else():
    for row in ROWS:
        phone = phones()[row["phone_id"]]
        for name in FILLED_BY_MEDIAN:
            assert (name in phone.filled) == (not row[name].strip())
            if row[name].strip():
                assert getattr(phone, name) == float(row[name])
        assert "flash" in phone.filled


def test_scale_counts_inorder_cores_half():
    assert find_phone("OnePlus 12R").cpu_scale_gflops == pytest.approx(281.6 + 0.5 * 48)
    assert find_phone("xiaomi-redmi-7a").cpu_scale_gflops == pytest.approx(111.4 / 2, abs=0.1)
    assert find_phone("xiaomi-poco-x7-pro").cpu_scale_gflops == pytest.approx(330.4)


@pytest.mark.parametrize(
    ("name", "phone_id"),
    [
        ("oneplus-12r", "oneplus-12r"),
        ("ONEPLUS 12R", "oneplus-12r"),
        ("one plus 12 r", "oneplus-12r"),
        ("  OnePlus   12 ", "oneplus-12"),
        ("Samsung Galaxy S23", "samsung-galaxy-s23"),
        ("S23 Ultra", "samsung-galaxy-s23-ultra"),
        ("galaxy s24", "samsung-galaxy-s24-snapdragon"),
        ("Samsung A54", "samsung-galaxy-a54-5g"),
        ("iPhone 15 Pro", "apple-iphone-15-pro"),
        ("iphone15pro", "apple-iphone-15-pro"),
        ("Pixel_9_Pro", "google-pixel-9-pro"),
        ("Redmi Note 8", "xiaomi-redmi-note-8"),
        ("Motorola G34", "motorola-moto-g34-5g"),
        ("Nothing Phone (1)", "nothing-phone-1"),
        ("mi 11", "xiaomi-mi-11"),
    ],
)
def test_find_phone(name, phone_id):
    assert find_phone(name).phone_id == phone_id


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("one plus 12 q", "oneplus-12"),
        ("Samsung Galaxy S23 FE", "samsung-galaxy-s23"),  # another phone than any of the catalogue
        ("Galaxy A52 5G", "samsung-galaxy-a52"),
        ("12", "xiaomi-12, oneplus-12 "),  # the name of two
        ("xiaomi-12" + "2", "xiaomi-12"),
    ],
)
def test_an_unknown_phone_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(UnknownName) as error:
        find_phone(name)
    assert f"unknown phone {name!r}; nearest: " in str(error.value)
    assert nearest in str(error.value)


def test_every_phone_is_found_by_its_name_and_its_id():
    for phone in phones().values():
        assert find_phone(phone.phone_id) is phone
        assert find_phone(phone.name.upper()) is phone


def test_the_fastest_threads_are_taken():
    sd = find_phone("Xiaomi 15 Pro")  # 2 x 4.32 and 6 x 3.53 GHz, all of one kind
    assert sd.threads_share(4) == pytest.approx((2 * 4.32 + 2 * 3.53) / (2 * 4.32 + 6 * 3.53))
    v30 = find_phone("Honor V30 Pro")  # two pairs of A76, four A55 that count half
    big, little = 2 * 2.86 * 16 + 2 * 2.36 * 16, 4 * 1.95 * 8 / 2
    assert v30.threads_share(4) == pytest.approx(big / (big + little))
    assert v30.threads_share(5) == pytest.approx((big + little / 4) / (big + little))
    for phone in phones().values():
        shares = [phone.threads_share(n) for n in range(1, 11)]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(phone.threads_share(None)) == 1
    assert find_phone("iPhone 17 Pro").threads_share(2) == 2 / 8  # cores unknown


def test_a_phone_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("phone_id,brand,model,os,release_year,tier,ram_gb\nmine,My,Phone,Android,2024,mid,6\n")
    mine = read_phones(path)["mine"]
    assert mine.ram_gb == 6
    assert {"cpu_fp32_peak_gflops", "battery_wh", "flash"} <= mine.filled
    assert read_phones(path)["mine"].cpu_fp32_big_mid_gflops <= mine.cpu_fp32_peak_gflops
    path.write_text("phone_id,release_year,tier,cpu_fp32_peak_gflops\nmine,2024,flagship,30\n")
    slow = read_phones(path)["mine"]
    assert (slow.cpu_fp32_big_mid_gflops, slow.cpu_scale_gflops) == (30, 30)  # no more than it has in all


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [
        ("", "2024,best", "row 2 (mine), column tier: 'best' is none of entry"),
        ("", "soon,mid", "row 2 (mine), column release_year: 'soon' is no year"),
        (",ram_gb", "2024,mid,lots", "row 2 (mine), column ram_gb: 'lots' is no number"),
        (",ram_gb", "2024,mid,-4", "row 2 (mine), column ram_gb: -4 must be above 0"),
        (",battery_wh", "2024,mid,nan", "row 2 (mine), column battery_wh: nan must be above 0"),
        (",ram_options_gb", "2024,mid,6/x", "row 2 (mine), column ram_options_gb: 'x' is no number"),
        (",flash", "2024,mid,tape", "row 2 (mine), column flash: 'tape' is none of"),
        (",cpu_clusters", "2024,mid,4x2.5 GHz", "row 2 (mine), column cpu_clusters: '4x2.5 GHz' is not of the form"),
        (",cpu_fp32_peak_gflops,cpu_fp32_big_mid_gflops", "2024,mid,10,20", "row 2 (mine), column cpu_fp32_big_mid"),
        (",ram", "2024,mid,6", "row 1, column 'ram': is none of those of phones.csv"),
        ("", "2024,mid,6", "row 2, column 4: has no name in row 1"),
        ("", "2024,mid\nmine,2024,mid", "row 3 (mine), column phone_id: appears twice"),
        ("", '2024,mid\n"a,b",2024,mid', "row 3 (a,b), column phone_id: 'a,b' cannot name a phone"),
        ("", "2024,mid\nMine,2024,mid", "row 3 (Mine), column phone_id: appears twice"),
        ("", "2024,mid\n\n  \t", "row 4, column release_year: the row ends before it"),
        ("", "2024,mid\n,,", "row 3 (unnamed), column phone_id: '' cannot name a phone"),
        ("", "24,mid", "row 2 (mine), column release_year: '24' is no year from 2007 to 2049"),
        ("", "1999,mid", "row 2 (mine), column release_year: '1999' is no year from 2007"),
        ("", "2024.0,mid", "row 2 (mine), column release_year: '2024.0' is no year"),
        ("", "\u0662\u0660\u0662\u0664,mid", "row 2 (mine), column release_year: '"),
        (",ram_gb,ram_gb", "2024,mid,8,2", "row 1, column 'ram_gb': appears twice"),
        (
            ",ram_gb",
            "2024,mid,8192",
            "row 2 (mine), column ram_gb: 8192 is not from 0.25 to 64; is it in another unit?",
        ),
        (",ram_options_gb", "2024,mid,4/6144", "row 2 (mine), column ram_options_gb: 6144 is not from 0.25 to 64"),
        (",memory_bandwidth_gb_s", "2024,mid,51200", "row 2 (mine), column memory_bandwidth_gb_s: 51200 is not from 1"),
        (",memory_bandwidth_gb_s", "2024,mid,0.0512", "row 2 (mine), column memory_bandwidth_gb_s: 0.0512 is not"),
        (",cpu_fp32_peak_gflops", "2024,mid,0.28", "row 2 (mine), column cpu_fp32_peak_gflops: 0.28 is not from 5"),
        (",battery_wh", "2024,mid,5000", "row 2 (mine), column battery_wh: 5000 is not from 1 to 100"),
        (",battery_mah", "2024,mid,5", "row 2 (mine), column battery_mah: 5 is not from 500 to 30000"),
        (",cpu_allcore_power_w", "2024,mid,4500", "row 2 (mine), column cpu_allcore_power_w: 4500 is not from 0.1"),
        (",gpu_3dmark_stability_pct", "2024,mid,0.9", "row 2 (mine), column gpu_3dmark_stability_pct: 0.9 is not"),
        (",ram_gb", '2024,mid,"8,5"', "row 2 (mine), column ram_gb: '8,5' is no number such as 8 or 8.5"),
        (",battery_mah", '2024,mid,"5,000"', "row 2 (mine), column battery_mah: '5,000' is no number"),
        (",battery_mah", "2024,mid,5_000", "row 2 (mine), column battery_mah: '5_000' is no number"),
        (",ram_gb", "2024,mid,inf", "row 2 (mine), column ram_gb: inf is not from 0.25 to 64"),
        (",ram_gb", "2024,mid,1e400", "row 2 (mine), column ram_gb: 1e400 is not from"),
        (",ram_gb,ram_options_gb", "2024,mid,8,4/6", "row 2 (mine), column ram_options_gb: 4 is below ram_gb, 8"),
        (",ram_gb,wifi", "2024,mid,8", "row 2, column wifi: the row ends before it; an empty cell has its comma"),
        (",cpu_peak_derivation", "2024,mid,4*2.8.1*8", "row 2 (mine), column cpu_peak_derivation: '4*2.8.1*8' is not"),
        (",cpu_peak_derivation", "2024,mid,99999999*2*8", "row 2 (mine), column cpu_peak_derivation: '99999999*2*8'"),
    ],
)
def test_a_bad_row_is_named_with_its_column(tmp_path, header, cells, said):
    path = tmp_path / "mine.csv"
    path.write_text(f"phone_id,release_year,tier{header}\nmine,{cells}\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}: {said}")):
        read_phones(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "phone_id"), (b"phone_id,tier\n", "release_year"), (b"phone_id,release_year,tier\n", "no phone"),
     (b"\xff\xfe\x00", "UTF-8"), ("phone_id,release_year,tier\nme,2024,mid\n".encode("utf-16"), "UTF-8"),
     (b"phone_id;release_year;tier\nme;2024;mid\n", "column phone_id: is missing; columns are separated by ';'"),
     (b"phone_id\trelease_year\ttier\nme\t2024\tmid\n", r"columns are separated by '\\t', where ',' is expected"),
     (b'phone_id,release_year,tier\n"me,2024,mid\nyou,2023,mid\n', "no CSV in UTF-8: unexpected end of data")],
)  # fmt: skip
def test_a_file_without_phones_is_refused(tmp_path, content, said):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_phones(path)


def test_marks_and_blank_lines_of_an_export_do_no_harm(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes("\ufeffphone_id,release_year,tier,ram_gb\r\n\r\nmine,2024,mid, 8 \r\n\r\n".encode())
    assert read_phones(path)["mine"].ram_gb == 8


def test_what_follows_from_other_figures_is_no_median(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("phone_id,release_year,tier,battery_mah,ram_options_gb\nmine,2024,mid,5000,6/8\n")
    mine = read_phones(path)["mine"]
    assert (mine.battery_wh, mine.ram_gb) == (pytest.approx(19.35), 6)
    assert not {"battery_wh", "ram_gb"} & mine.filled


def test_own_phones_are_drawn_beside_the_catalogue(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("phone_id,release_year,tier,cellular\nMine_1,2031,entry,LTE\noneplus-12,2024,entry,LTE\n")
    known, rng = {**phones(), **read_phones(path)}, np.random.default_rng(0)
    assert set(draw_phones(4, "mine_1", rng, known)) == {"Mine_1"}
    assert {"Mine_1", "oneplus-12"} <= set(draw_phones(500, "tier:entry", rng, known))
    assert "Mine_1" not in set(draw_phones(500, "market", rng, known))
    assert "5g" not in draw_networks(50, rng, "5g", phone_ids=["oneplus-12"] * 50, known=known).access
    assert "5g" in draw_networks(50, rng, "5g", phone_ids=["oneplus-12"] * 50).access


def test_market_shares():
    weights, known = market_weights(), phones()
    assert sum(weights.values()) == pytest.approx(1)
    tiers, years = Counter(), Counter()
    for phone_id, weight in weights.items():
        tiers[known[phone_id].tier] += weight
        years[next(b for b in YEAR_SHARE if b[0] <= known[phone_id].release_year <= b[1])] += weight
    assert tiers == pytest.approx(TIER_SHARE)
    assert years == pytest.approx(YEAR_SHARE, abs=0.01)


def test_draw_phones():
    rng = np.random.default_rng(0)
    assert set(draw_phones(50, "tier:flagship", rng)) <= {p.phone_id for p in phones().values() if p.tier == "flagship"}
    assert set(draw_phones(5, "OnePlus 12R", rng)) == {"oneplus-12r"}
    assert set(draw_phones(50, ["oneplus-12r", "google-pixel-7"], rng)) == {"oneplus-12r", "google-pixel-7"}
    tiers = Counter(phones()[i].tier for i in draw_phones(20_000, "market", rng))
    for tier in TIERS:
        assert tiers[tier] / 20_000 == pytest.approx(TIER_SHARE[tier], abs=0.015)
    with pytest.raises(UnknownName, match="tier"):
        draw_phones(1, "tier:flagships", rng)


def test_same_seed_same_draws():
    first, second = (draw_phones(20, "market", np.random.default_rng(3)) for _ in range(2))
    assert (first == second).all()


def test_networks():
    rng = np.random.default_rng(0)
    ids = np.array(["google-pixel-3"] * 5000 + ["google-pixel-9"] * 5000)
    net = draw_networks(10_000, rng, phone_ids=ids)
    assert np.mean(net.access == "wifi") == pytest.approx(0.685, abs=0.02)
    assert not (net.access[:5000] == "5g").any()
    assert (net.access[5000:] == "5g").any()
    assert (net.up_mbps <= net.down_mbps).all()
    assert np.median(net.down_mbps[net.access == "wifi"]) == pytest.approx(84, rel=0.1)
    assert np.median(draw_networks(5000, rng, "4g", "india").down_mbps) == pytest.approx(18.2, rel=0.1)
    with pytest.raises(UnknownName, match="region"):
        draw_networks(1, rng, region="mars")
    with pytest.raises(UnknownName, match="access"):
        draw_networks(1, rng, {"wifi": 1, "6g": 1})
