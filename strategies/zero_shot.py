"""zero_shot: a glance at every pLLM."""

from strategies.exhaustive import Exhaustive


class ZeroShot(Exhaustive):
    """Evaluate every pLLM on a few of the user's texts, start from the one with the lowest loss.

    What choosing a model by its zero-shot loss on a handful of examples comes to, as in the model zoos' habit of trying
    all. The phone downloads every pLLM, as in `exhaustive`, and reads only `texts` texts with each.

    Args:
        texts: own texts that the phone reads at most; 0: all.
    """

    def __init__(self, texts: int = 4) -> None:
        super().__init__(texts)
