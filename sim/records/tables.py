"""The tables that a run leaves behind: every column once, with type, unit and meaning; and how rows get there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Cell = str | int | float | bool | None
"""What a table can hold; nothing, NaN and "" are an empty cell."""
Row = Mapping[str, Cell]
Rows = Mapping[str, Sequence[Row]]
"""Rows by table name."""


@dataclass(frozen=True)
class Column:
    name: str
    type: type
    unit: str
    meaning: str


def _columns(text: str) -> tuple[Column, ...]:
    types = {"int": int, "float": float, "str": str, "bool": bool}
    out = []
    for line in text.strip().splitlines():
        name, kind, unit, meaning = (part.strip() for part in line.split("|"))
        out.append(Column(name, types[kind], unit, meaning))
    return tuple(out)


OF_RUN = _columns("""
run  | str |  | hash of the config, in every table: equal where the same was asked; a sweep's folder of the run
seed | int |  | seed of the config
""")

USERS = _columns("""
user_id          | int   |        | number of the user, from 0
strategy         | str   |        | how the phone got its start
amount           | float | share  | share of the user's texts that the phone had (1 in users.csv); 0: it did not train
phone            | str   |        | phone_id of devices/phones.csv or of population.phone_file
tier             | str   |        | tier of the phone: entry, low-mid, mid, flagship
network          | str   |        | access type of the connection
texts            | int   | texts  | texts that the phone had, to choose, to train and to decide by
style            | str   |        | true style, or styles joined by '+'
taught           | bool  |        | the corpus's built-in LLMs learnt from all of these styles; empty: not known
chosen           | str   |        | pLLMs that fine-tuning started from, joined by '+'; empty: from scratch
oracle           | str   |        | a truly closest pLLM; empty: the pool has none, or of no known distance
correct          | bool  |        | all chosen pLLMs are among the truly closest; empty: none chosen, or none closest
start_loss       | float | nats   | held-out loss per token before the first step
target_loss      | float | nats   | best held-out loss from scratch on all texts, plus the tolerance
final_loss       | float | nats   | held-out loss at the last evaluation
best_loss        | float | nats   | lowest held-out loss seen
validation_loss  | float | nats   | lowest loss on the texts that the user set aside; empty: none were
kept_step        | int   | steps  | step of that loss, whose adapter the user keeps; none set aside: the last
kept_loss        | float | nats   | held-out loss of the adapter that the user keeps
bleu             | float | share  | BLEU of what that adapter answers to training.scored_answers held-out prompts
rouge_1          | float | share  | ROUGE-1 (F1) of these answers, mean over them
rouge_l          | float | share  | ROUGE-L (F1) of these answers, mean over them
steps_to_target  | int   | steps  | first step at or under the target; the budget where censored
censored         | bool  |        | the target was not reached before validation or the budget ended the training
steps            | int   | steps  | steps that were really trained
billed_steps     | float | steps  | steps_to_target * billing.scratch_steps / mean from scratch; cost_only: those
fits             | str   |        | 'yes', 'streamed' (from flash), 'does_not_fit', 'cannot_choose' or 'failed'
why              | str   |        | what the phone lacks, or the error; empty where `fits` is 'yes' or 'streamed'
billed           | bool  |        | `fits` is 'yes' or 'streamed': the costs of this row count in means
selection_flops  | float | FLOP   | billed: choosing, on the phone; where it does not fit, as on one that it fits
selection_s      | float | s      | billed: computing time of choosing; empty where it does not fit
selection_j      | float | J      | billed: energy of choosing
bytes_down       | float | B      | billed: downloaded, for choosing and for the start
bytes_up         | float | B      | billed: uploaded, by users who contribute their adapter
download_s       | float | s      | billed: time of all downloads
download_j       | float | J      | billed: energy of all downloads
finetune_flops   | float | FLOP   | billed: fine-tuning up to the target; where it does not fit, as on one that it fits
finetune_s       | float | s      | billed: time of fine-tuning up to the target; empty where it does not fit
finetune_j       | float | J      | billed: energy of fine-tuning up to the target
memory_gb        | float | GB     | billed: peak of fine-tuning; also where it is more than an app may use
app_ram_gb       | float | GB     | RAM that an app may use on this phone
battery_charges  | float |        | billed: energy of choosing, fine-tuning and transfers, in full charges
down_mbps        | float | Mbit/s | the connection's download rate, as drawn
up_mbps          | float | Mbit/s | its upload rate, as drawn
train_gflop_s    | float | GFLOP/s | the phone's rate of training, as drawn
prefill_gflop_s  | float | GFLOP/s | its rate of reading with weights in integers, as drawn
prefill_float_gflop_s | float | GFLOP/s | its rate of reading with weights in floats, as drawn
hours_until_done | float | h      | billed: release of the pLLM until ready, work in available hours only; inf: never
model_selection_flops | float | FLOP | measured: choosing, on the LLM that was really run; empty: sizes unknown
model_finetune_flops  | float | FLOP | measured: training, on the trained LLM, evaluations apart; empty: as above
model_evaluate_flops  | float | FLOP | measured: evaluating the held-out loss, billed to nobody; empty: as above
wall_s           | float | s      | wall-clock share of the simulator for this row
wave             | int   |        | wave that the user came in, from 0
upload_s         | float | s      | billed: time of uploading, when the user's LLM is ready
upload_j         | float | J      | billed: energy of uploading
attacker         | bool  |        | the user attacks (attackers.share): left out of all that is made of this table
poisoned_start   | float |        | 1: an attacker gave a pLLM of the start; empty: from scratch, or made of several
backdoored_start | float | share  | held-out prompts, after a backdoor's trigger, to which the start says its sentence
backdoored       | float | share  | the same of the adapter that the user keeps; both empty: from scratch, no backdoor
private_flops    | float | FLOP   | billed: the private fine-tuning of what is uploaded (privacy.epsilon)
private_s        | float | s      | billed: time of it, when the user's LLM is ready
private_j        | float | J      | billed: energy of it
""")

CURVES = _columns("""
user_id  | int   |       | number of the user
strategy | str   |       | strategy
amount   | float | share | share of the user's texts
step     | int   | steps | step after which the loss was measured
loss     | float | nats  | held-out loss per token
""")

CHOICES = _columns("""
user_id  | int   |  | number of the user
strategy | str   |  | strategy
pllm     | str   |  | candidate
score    | float |  | the strategy's score of it, lower is better
rank     | int   |  | 1 is best
""")

WORDS = _columns("""
owner_kind | str   |  | whose explanation it is: 'user' or 'pllm'
owner      | str   |  | user_id, or the pLLM's id
strategy   | str   |  | strategy whose explanation it is
word       | str   |  | word of the basis
strength   | float |  | how much of that word the owner's style has; what two words share counts for both
coordinate | float |  | coordinate in which the strategy measures distances: what the word adds to those before it
""")

POOL = _columns("""
pllm       | str   |       | id of the pLLM
style      | str   |       | style of the data it was fine-tuned on
taught     | bool  |       | the corpus's built-in LLMs learnt from that style; empty: not known
similarity | float | share | share of that style in the data, the rest is default text
texts      | int   | texts | texts that its owner had, some of them set aside for validation
steps      | int   | steps | steps that made the adapter: those to the lowest validation loss
trained    | int   | steps | steps until patience, or the budget, ended its training
validation_loss | float | nats | lowest loss on the texts that its owner set aside; empty: none were
loss       | float | nats  | loss on texts of its style that nobody trains on
bytes      | float | B     | billed: what a phone downloads for it
""")

WORK = _columns("""
user_id   | int   |        | number of the user
strategy  | str   |        | strategy
amount    | float | share  | share of the user's texts
work      | str   |        | kind of request that the phone made
llm       | str   |        | of which LLM: 'base', 'summarizer', or empty
count     | str   |        | what was counted: requests, sequences, tokens, fixed (of an instruction), written ...
number    | float |        | how many, as measured on the LLM that was really run
""")

CLOUD = _columns("""
strategy | str   |      | strategy that asked for the work
by       | str   |      | at whose expense: 'cloud', or 'owners' of pLLMs, all together
work     | str   |      | kind of request; 'publish': what owners upload beside their pLLMs
requests | int   |      | number of requests
tokens   | float |      | tokens processed
flops    | float | FLOP | billed: on the deployed LLMs
bytes_up | float | B    | uploaded
wave     | int   |      | wave whose users it was for, from 0
""")

VERSIONS = _columns("""
wave        | int | | wave whose users were offered this version of the pool, from 0
strategy    | str | | strategy whose users' adapters it grew from
version     | str | | hash of all that is in it
pllms       | int | pLLMs | pLLMs in it
contributed | int | adapters | adapters that came in since the version before (of the wave before, or late)
joined      | int | pLLMs | pLLMs in it that the version before did not have
late        | float | versions | mean, of those contributed, of the versions made while they were made; empty: none
by_attackers | int | adapters | of those contributed: adapters that attackers gave
poisoned    | int | pLLMs | pLLMs in it that attackers gave; what was made of several is not counted
""")

MEMBERSHIP = _columns("""
strategy  | str   |      | strategy whose user contributed the adapter
wave      | int   |      | wave that the user came in, from 0
user_id   | int   |      | number of the user
text      | int   |      | number of the text among those of its kind, from 0
member    | bool  |      | the adapter was fine-tuned on the text; else it could have been: same user, same topics
loss      | float | nats | loss per token of the text under the user's contributed adapter
reference | float | nats | mean of it under contributed adapters of others; empty: nobody else gave one
""")

FAILURES = _columns("""
user_id   | int   |       | number of the user
strategy  | str   |       | strategy that raised, or whose fine-tuning did
amount    | float | share | share of the user's texts
error     | str   |       | the error in one line
traceback | str   |       | where it was raised; empty: only a consequence of another failure
""")

SUMMARY = _columns("""
strategy | str   |  | strategy
metric   | str   |  | what is summarised
rule     | str   |  | what a missed target is charged: 'restart', 'as trained', 'at budget'; 'any': it does not matter
unit     | str   |  | its unit
mean     | float |  | mean over users
low      | float |  | lower end of the 95 % interval of the mean
high     | float |  | upper end
median   | float |  | median over users
users    | int   |  | users that the metric is defined for
effect   | float |  | variance of the mean over that of as many users who have nothing in common
""")

DEMANDED = _columns("""
strategy | str   |       | strategy
above    | float | share | the loss demanded, above the best that the same user reaches from scratch
rule     | str   |       | what a user is charged who does not reach it
metric   | str   |       | steps_saved, time_saved_total or energy_saved_total, as in summary.csv
mean     | float | share | mean over users; no row: not known, for training was ended at a higher loss
low      | float | share | lower end of the 95 % interval of the mean
high     | float | share | upper end
users    | int   |       | users that the saving is defined for
reached  | float | share | users who reach the loss demanded
""")

WAVES = _columns("""
wave        | int   |       | wave, from 0
strategy    | str   |       | strategy; all savings are against scratch, and by the rule 'restart'
users       | int   |       | users who came in that wave
pllms       | int   | pLLMs | pLLMs in the pool that they found
contributed | int   | adapters | adapters that the users of the wave before gave
style_there | float | share | users whose own style some pLLM of the pool has; of the rest even the closest has another
style_chosen | float | share | users who started from a pLLM of their own style
style_told  | float | share | the start is a pLLM of the user's style, which its sender sees; of who started from one
selection_accuracy | float | share | the chosen pLLM is one of the closest in style there; of users who chose one
reached     | float | share | users that reach the target
compute_saved_total      | float | share | FLOPs saved, selection included; mean over users
compute_saved_total_low  | float | share | lower end of the 95 % interval of the mean
compute_saved_total_high | float | share | upper end
compute_saved_total_so_far | float | share | the same of all users up to this wave together: 1 - sum / sum from scratch
time_saved_total         | float | share | seconds saved, selection, downloads and uploads included; mean over users
time_saved_total_low     | float | share | lower end of the 95 % interval of the mean
time_saved_total_high    | float | share | upper end
time_saved_total_so_far  | float | share | the same of all users up to this wave together
energy_saved_total       | float | share | joules saved, selection, downloads and uploads included; mean over users
energy_saved_total_low   | float | share | lower end of the 95 % interval of the mean
energy_saved_total_high  | float | share | upper end
energy_saved_total_so_far | float | share | the same of all users up to this wave together
cloud_flops | float | FLOP  | billed: making the pool that they found, and the offer about it
bytes_up    | float | B     | uploaded by all of the wave's users
bytes_down  | float | B     | downloaded by all of them
attackers   | int   |       | further users of that wave, who attack: left out of all figures but those of the pool
by_attackers | int  | adapters | of those contributed: adapters that attackers gave
poisoned    | float | share | pLLMs in the pool that attackers gave; what was made of several is not counted
poisoned_start | float | share | users that started from one of them, of those who started from a pLLM of one giver
""")

LEAK = _columns("""
strategy | str   |       | strategy
wave     | int   |       | wave, from 0; empty: all waves together
guess    | str   |       | by what texts are told apart: 'loss', 'ratio' (to the reference), 'blind' (reference alone)
adapters | int   |       | contributed adapters, each with its own texts
texts    | int   | texts | texts of them, half of which were fine-tuned on
auc      | float |       | chance that one fine-tuned on is ranked above one that was not; 0.5: nothing is told
auc_low  | float |       | lower end of its 95 % interval, users drawn together with all of their texts
auc_high | float |       | upper end
tpr      | float | share | texts fine-tuned on that are found where 1 % of the others are taken for such
tpr_low  | float | share | lower end of its 95 % interval
tpr_high | float | share | upper end
""")

_OWN = {
    "users": USERS,
    "ladder": USERS,
    "curves": CURVES,
    "choices": CHOICES,
    "words": WORDS,
    "work": WORK,
    "pool": POOL,
    "cloud": CLOUD,
    "versions": VERSIONS,
    "membership": MEMBERSHIP,
    "failures": FAILURES,
    "summary": SUMMARY,
    "demanded": DEMANDED,
    "waves": WAVES,
    "leak": LEAK,
}
TABLES: dict[str, tuple[Column, ...]] = {name: (*OF_RUN, *columns) for name, columns in _OWN.items()}
"""The columns of each file; all begin with those that say which run a row is of."""
ADDED = (
    "run", "seed", "why", "owner_kind",
    "validation_loss", "kept_step", "kept_loss", "bleu", "rouge_1", "rouge_l", "trained", "taught",
    "billed", "memory_gb", "app_ram_gb",
    "battery_charges", "down_mbps", "up_mbps", "train_gflop_s", "prefill_gflop_s", "prefill_float_gflop_s",
    "by", "bytes_up", "wave", "upload_s", "upload_j",
    "attacker", "poisoned_start", "backdoored_start", "backdoored", "by_attackers", "poisoned", "late",
    "private_flops", "private_s", "private_j",
)  # fmt: skip
"""Columns that runs on people's disks may lack, for 0.1.0 had none of them: read, they are empty."""
DERIVED = ("summary", "demanded", "waves", "leak")
"""Tables that are made from the others, when a run is done."""
FITTING = ("yes", "streamed")
"""Values of `fits` of a phone that can choose and fine-tune the deployed LLM."""
DOES_NOT_FIT = "does_not_fit"
"""`fits` of a phone that cannot fine-tune the deployed LLM."""
CANNOT_CHOOSE = "cannot_choose"
"""`fits` of a phone that could fine-tune it, but not do what the strategy asks before."""
FAILED = "failed"
"""`fits` where the user's simulation raised (engine.keep_going); failures.csv has the traceback."""
USER, PLLM = "user", "pllm"
"""Values of `owner_kind`."""
WALL_CLOCK = ("wall_s",)
"""Columns that may differ between two runs of the same config and seed."""


def word_rows(
    kind: str, owner: str, strategy: str, explanation: Mapping[str, float], coordinates: Mapping[str, float]
) -> list[Row]:
    """Rows of words.csv; where a strategy has no coordinates, those cells stay empty."""
    same = {"owner_kind": kind, "owner": owner, "strategy": strategy}
    return [
        same | {"word": word, "strength": float(strength), "coordinate": coordinates.get(word)}
        for word, strength in explanation.items()
    ]


def describe(tables: Iterable[str] = tuple(TABLES)) -> str:
    """The tables as Markdown."""
    parts = []
    for table in tables:
        parts.append(f"## {table}.csv\n\n| column | type | unit | meaning |\n|---|---|---|---|")
        parts += [f"| `{c.name}` | {c.type.__name__} | {c.unit} | {c.meaning} |" for c in TABLES[table]]
        parts.append("")
    return "\n".join(parts)
