"""Words are found again from what they compose, and distances compare styles, not their strength."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.xpert import Basis, distances, select_words

WIDTH = 24
TRUE = ["formal", "rude", "terse", "witty"]


def vectors(seed: int = 0) -> dict[str, np.ndarray]:
    """Unit vectors of true words, and of others that compose nothing."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    names = [*TRUE, *(f"idle{i}" for i in range(8))]
    return dict(zip(names, frame, strict=False))


def composed(words: dict[str, np.ndarray], count: int = 30, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings that are combinations of the true words, and their coordinates."""
    z = np.random.default_rng(seed).uniform(0.5, 1.5, (count, len(TRUE)))
    return z @ np.stack([words[w] for w in TRUE]), z


@pytest.mark.parametrize("seed", range(5))
def test_the_words_that_compose_the_embeddings_are_found(seed: int) -> None:
    words = vectors(seed)
    embeddings, _ = composed(words)
    assert sorted(select_words(words, embeddings, 0.9, 0.01)) == TRUE


def test_the_same_words_are_found_under_noise_in_any_order_of_candidates() -> None:
    words = vectors()
    embeddings, _ = composed(words)
    noisy = embeddings + np.random.default_rng(2).normal(scale=0.02, size=embeddings.shape)
    found = select_words(words, noisy, 0.9, 0.1)
    assert sorted(found) == TRUE
    assert select_words(dict(reversed(words.items())), noisy, 0.9, 0.1) == found


def test_scale_of_a_word_s_vector_does_not_matter() -> None:
    words = vectors()
    embeddings, _ = composed(words)
    scaled = {w: v * (i + 1) for i, (w, v) in enumerate(words.items())}
    assert select_words(scaled, embeddings, 0.9, 0.01) == select_words(words, embeddings, 0.9, 0.01)


@pytest.mark.parametrize("e_ortho", [0.2, 0.5, 0.9])
def test_kept_words_are_less_alike_than_e_ortho(e_ortho: float) -> None:
    rng = np.random.default_rng(3)
    words = {f"w{i}": rng.normal(size=6) for i in range(40)}
    kept = select_words(words, rng.normal(size=(20, 6)), e_ortho, 0.0)
    units = np.stack([words[w] / np.linalg.norm(words[w]) for w in kept])
    alike = np.abs(units @ units.T) - np.eye(len(kept))
    assert len(kept) > 1
    assert alike.max() < e_ortho


def test_a_synonym_of_a_kept_word_is_dropped() -> None:
    words = vectors()
    embeddings, _ = composed(words)
    words["impolite"] = words["rude"] + 0.1 * words["idle0"]
    found = select_words(words, embeddings, 0.9, 0.0)
    assert len({"rude", "impolite"} & set(found)) == 1


def test_words_are_added_until_the_residual_is_under_e_decomp() -> None:
    words = vectors()
    embeddings, _ = composed(words)

    def residual(kept: list[str]) -> float:
        basis = np.stack([words[w] for w in kept])
        left = embeddings - embeddings @ np.linalg.pinv(basis) @ basis
        return float(np.mean(np.linalg.norm(left, axis=1) / np.linalg.norm(embeddings, axis=1)))

    for e_decomp in (0.7, 0.5, 0.1):
        kept = select_words(words, embeddings, 0.9, e_decomp)
        assert residual(kept) <= e_decomp
        assert len(kept) == 1 or residual(kept[:-1]) > e_decomp
    assert len(select_words(words, embeddings, 0.9, 0.7)) < len(TRUE)


def test_nothing_to_compose_or_to_choose_from_gives_no_words() -> None:
    words = vectors()
    assert select_words({}, composed(words)[0], 0.9, 0.1) == []
    assert select_words({"zero": np.zeros(WIDTH)}, composed(words)[0], 0.9, 0.1) == []
    assert select_words(words, np.zeros((3, WIDTH)), 0.9, 0.1) == []


def basis_of(vectors: np.ndarray) -> Basis:
    """Words with these vectors, and an origin."""
    origin = np.random.default_rng(4).normal(size=WIDTH)
    return Basis.of(dict(zip(TRUE, vectors, strict=True)), origin)


def orthogonal() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(4).normal(size=(WIDTH, 4)))[0].T * np.array([[1.0], [2.0], [3.0], [4.0]])


def test_coordinates_over_orthogonal_words_are_the_lengths_along_them() -> None:
    vectors = orthogonal()
    basis = basis_of(vectors)
    z = np.random.default_rng(5).normal(size=(7, 4))
    away = z @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    np.testing.assert_allclose(basis.coordinates(basis.origin + away), z, atol=1e-5)
    np.testing.assert_allclose(basis.coordinates(basis.origin + away[0]), z[0], atol=1e-5)
    np.testing.assert_allclose(basis.coordinates(basis.origin), np.zeros(4), atol=1e-12)


def test_coordinates_ignore_what_no_word_says() -> None:
    basis = basis_of(np.random.default_rng(6).normal(size=(4, WIDTH)))
    other = np.linalg.svd(basis.vectors.astype(np.float64))[2][-1]  # orthogonal to every word
    away = np.array([0.1, 0.2, 0.3, 0.4]) @ basis.vectors.astype(np.float64)
    expected = basis.coordinates(basis.origin + away)
    np.testing.assert_allclose(basis.coordinates(basis.origin + away + 5 * other), expected, atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_distances_between_coordinates_are_those_between_embeddings_though_words_are_alike(metric: str) -> None:
    rng = np.random.default_rng(8)
    shared = rng.normal(size=WIDTH)
    basis = basis_of(rng.normal(size=(4, WIDTH)) + shared)  # any two words have a cosine of about a half
    away = rng.normal(size=(6, 4)) @ basis.vectors.astype(np.float64)
    z = basis.coordinates(basis.origin + away)
    np.testing.assert_allclose(distances(z[0], z[1:], metric), distances(away[0], away[1:], metric), atol=1e-5)


def test_a_word_is_named_by_how_much_an_embedding_is_like_it() -> None:
    words = dict(zip(TRUE, np.random.default_rng(9).normal(size=(4, WIDTH)), strict=True))
    basis = Basis.of(words, np.zeros(WIDTH))
    for word, vector in words.items():
        named = basis.named(basis.coordinates(vector))
        assert next(iter(named)) == word
        assert named[word] == pytest.approx(np.linalg.norm(vector), rel=1e-5)


def test_a_word_that_adds_nothing_is_left_out() -> None:
    words = dict(zip(TRUE, orthogonal(), strict=True))
    words["rude and terse"] = words["rude"] + words["terse"]
    assert Basis.of(words, np.zeros(WIDTH)).words == tuple(TRUE)


def test_a_phone_gets_the_basis_as_it_is() -> None:
    basis = basis_of(np.random.default_rng(10).normal(size=(4, WIDTH)))
    again = Basis.of_payload(basis.payload())
    assert again.words == basis.words
    np.testing.assert_array_equal(again.loadings, basis.loadings)


def test_explanation_names_words_largest_first() -> None:
    assert list(basis_of(orthogonal()).named(np.array([0.1, -2.0, 0.7, 0.3]))) == ["terse", "witty", "formal", "rude"]


def test_cosine_ignores_the_strength_of_a_style_and_l2_does_not() -> None:
    pool = np.array([[0.3, 0.1], [1.0, 3.0]])
    strong = np.array([3.0, 1.0])
    scaled = distances(10 * strong, 7 * pool, "cosine")
    np.testing.assert_allclose(distances(strong, pool, "cosine"), scaled, atol=1e-12)
    assert distances(strong, pool, "cosine")[0] == pytest.approx(0, abs=1e-12)
    assert int(np.argmin(distances(strong, pool, "cosine"))) == 0
    assert [int(np.argmin(distances(k * strong, pool, "l2"))) for k in (0.1, 10)] == [0, 1]
    np.testing.assert_allclose(distances(np.array([0.0, 0.0]), pool, "l2"), np.linalg.norm(pool, axis=1))


def test_no_style_at_all_is_equally_far_from_all() -> None:
    assert distances(np.zeros(2), np.eye(2), "cosine").tolist() == [1.0, 1.0]
