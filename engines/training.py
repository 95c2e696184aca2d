"""The training loop that every network shares: resumable, seeded, the same on a CPU and on a GPU.

A task says what to train; the loop knows nothing of people or holes. Step `s` always sees the same samples and, with
`steps` or `pictures`, the same learning rate, so an interrupted run continues as if nothing had happened (bit by bit
on a CPU). With `minutes` the schedule follows the clock instead: it ends in time on any machine, and no two runs are
alike.
"""

from __future__ import annotations

import copy
import csv
import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from engines.card import load_card
from engines.catalog import OURS, recipe_of
from engines.errors import EngineError
from engines.lock import locked
from engines.muon import MuonAdamW
from engines.unfold import unfold

WARM_UP = 50  # steps from a tenth of the learning rate to all of it
LOG_EVERY = 20  # steps
MEASURED = 8  # batches that a model's normalisations get their statistics from
LEAST = {"steps": 1, "pictures": 1, "batch": 1, "threads": 1, "patience": 1, "workers": 0, "seed": 0}  # of a plan


@dataclass(frozen=True)
class Habits:
    """How a network is trained unless the plan says otherwise.

    betas, decay: of Adam with decoupled weight decay, the latter of Muon, too (`engines.muon`). schedule: of the
    learning rate: "cosine" (after a short warm-up, down to a hundredth: Loshchilov and Hutter, ICLR 2017), "constant",
    or "one-cycle" (up from a 25th in three tenths of the training, then down to almost nothing: Smith and Topin, 2019).
    """

    batch: int = 16
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    decay: float = 0.01
    schedule: str = "cosine"
    momentum: float | None = None  # given: plain gradient descent with it, in place of Adam


@dataclass(frozen=True)
class Rival:
    """What a network plays against: `loss` gives the rival's terms for the pictures that the task's own loss made last.

    rate: its learning rate, in multiples of the network's. turns: steps of the rival to one of the network. betas: of
    Adam; a rival's past is of little use, since the network has moved on.
    """

    network: nn.Module
    loss: Callable[[], dict[str, Tensor]]
    rate: float = 1.0
    turns: int = 1
    betas: tuple[float, float] = (0.5, 0.99)


class Task(Protocol):
    """What is trained: a network, the samples it sees, what is minimised, and what is measured at the end."""

    name: str
    network: nn.Module
    goal: str  # the figure that is to grow
    rival: Rival | None
    habits: Habits

    def samples(self, batch: int, seed: int) -> Dataset[Any]: ...
    def groups(self, rate: float) -> list[dict[str, Any]]: ...
    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]: ...
    def evaluate(self, network: nn.Module) -> dict[str, float]: ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast. One of `steps`, `minutes` (of work, pauses not counted) and `pictures` is given.

    batch, rate: None for the task's habits.
    """

    out: Path
    steps: int | None = None
    minutes: float | None = None
    pictures: int | None = None  # samples, in as many steps as it takes
    batch: int | None = None
    rate: float | None = None  # at its peak
    seed: int = 0
    average: float = 0.995  # of the weights' running mean, which is what is evaluated and exported
    save_every: float = 120.0  # seconds
    threads: int | None = None
    workers: int | None = None
    device: str = "auto"
    start: Path | None = None  # checkpoint, or a model's folder, to start from where `out` holds no checkpoint
    remember: float = 0.0  # share of ImageNet's weights that is mixed into the encoder of a model to start from
    judge_every: float | None = None  # minutes between evaluations, for an early stop
    patience: int = 3  # evaluations without a better figure before it stops early
    half: bool | None = None  # bfloat16 where that is safe; by itself on a GPU only
    asked: Sequence[str] = ()  # of the task, in words: for the card


def train(task: Task, plan: Plan, say: Callable[[str], None] = print) -> Path:
    """Train until the plan's end, resume from `out`/checkpoint.pt where it exists; return the checkpoint's path.

    Writes `out`/log.csv (a line each 20 steps; `python -m engines.plot` draws it). EngineError when the plan or the
    checkpoint does not fit, or another training works in `out`.
    """
    _check(plan)

    def refuse() -> None:
        raise EngineError(f"another training works in {plan.out}; wait for it, or give another --out")

    plan.out.mkdir(parents=True, exist_ok=True)
    with locked(plan.out / ".lock", math.inf, refuse):
        return _train(task, plan, say)


def _check(plan: Plan) -> None:
    """EngineError for a plan that makes no sense."""
    if [plan.steps, plan.minutes, plan.pictures].count(None) != 2:
        raise EngineError("say how long to train: either --steps, --minutes or --pictures")
    for name, least in LEAST.items():
        value = getattr(plan, name)
        if value is not None and value < least:
            raise EngineError(f"--{name} takes {least} or more, not {value}")
    for name in ("minutes", "rate"):
        value = getattr(plan, name)
        if value is not None and not value > 0:
            raise EngineError(f"--{name} takes more than 0, not {value:g}")
    if plan.remember and (plan.start is None or not plan.start.is_dir()):
        raise EngineError("--remember mixes ImageNet's weights into a model's; name its folder with --from")
    if not 0 <= plan.remember <= 1:
        raise EngineError(f"--remember takes a share from 0 to 1, not {plan.remember:g}")


def _train(task: Task, plan: Plan, say: Callable[[str], None]) -> Path:
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    device = torch.device(pick_device(plan.device))
    torch.manual_seed(plan.seed)
    path = plan.out / "checkpoint.pt"
    run = _Run(task, plan, device)
    if path.exists():
        run.restore(path)
        say(f"{task.name}: resuming at step {run.step}")
    elif plan.start is not None:
        say(f"{task.name}: {run.adopt(plan.start)}")
    headed = _cut_log(plan.out / "log.csv", run.step)
    with (plan.out / "log.csv").open("a", newline="") as file:
        _loop(run, path, csv.writer(file), file.flush, say, headed=headed)
    run.save(path)
    figures = task.evaluate(run.mean_network(run.network))
    run.save(path, figures)
    told = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    say(f"{task.name}: {told or 'no pictures are kept back to measure it on'}")
    return path


def load_weights(path: Path, network: nn.Module, name: str) -> dict[str, Any]:
    """Put a checkpoint's averaged weights into `network`; return the rest of it. EngineError if it is another's."""
    state = read_checkpoint(path)
    if state["task"] != name:
        raise EngineError(f"{path} is not a checkpoint of the {name}; train one with `python -m engines.train {name}`")
    try:
        network.load_state_dict(state["mean"])
    except RuntimeError as error:  # lists every tensor
        raise EngineError(f"{path} is of a {name} of another size or version: {str(error).splitlines()[1]}") from error
    return {key: state[key] for key in ("step", "elapsed", "seed", "figures", "history")}


def read_checkpoint(path: Path, otherwise: str = "name one that `python -m engines.train` wrote") -> dict[str, Any]:
    """All that a training wrote; EngineError where `path` is no checkpoint. otherwise: what to do then."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EngineError(f"there is no checkpoint {path}; train one with `python -m engines.train`") from error
    except OSError as error:
        raise EngineError(f"{path} can't be read ({error.strerror}); {otherwise}") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise EngineError(f"{path} is not a readable checkpoint; {otherwise}") from error
    if not isinstance(state, dict) or not {"task", "mean"} <= state.keys():
        raise EngineError(f"{path} is not a checkpoint of this trainer; {otherwise}")
    return {"history": [], **state}


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write beside it, then rename: power loss leaves the old one or the new one. EngineError on a full disk."""
    content, beside = io.BytesIO(), path.with_suffix(".tmp")
    torch.save(state, content)  # to a file itself, torch would hide what is wrong with the disk
    try:
        with beside.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise EngineError(f"{path} can't be written ({error.strerror}); make room there, or name another") from error


def read_figures(path: Path) -> dict[str, float]:
    """What a finished training's network reached on the pictures kept back for choices."""
    return dict(read_checkpoint(path)["figures"])


def pick_device(device: str) -> str:
    """ "auto" is the GPU where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("there is no GPU that torch can use; train with --device cpu")
    return device


def _cut_log(path: Path, step: int) -> bool:
    """Leave what a log tells of the time up to a step: the rest comes again. Whether there is any, after its header."""

    def is_past(line: bytes) -> bool:
        number = line.partition(b",")[0]
        return line.endswith(b"\n") and number.isdigit() and int(number) <= step

    with path.open("ab+") as file:
        file.seek(0)
        lines = file.readlines()
        kept = list(takewhile(is_past, lines[1:]))
        file.truncate(sum(map(len, [lines[0], *kept])) if kept else 0)
    return bool(kept)


def _loop(
    run: _Run, path: Path, log: Any, flush: Callable[[], None], say: Callable[[str], None], *, headed: bool
) -> None:
    saved = shown = time.monotonic()
    sums: dict[str, float] = {}
    count = 0
    batches = iter(run.batches())
    judge = _Judge(run.plan.judge_every, run.plan.patience)
    if judge.every is not None and run.step == 0:
        judge.figures(run)  # what can't be judged is not to be found out in an hour
    while run.progress() < 1 and not judge.gives_up(run):
        started = time.monotonic()
        terms = run.advance(next(batches))
        run.elapsed += time.monotonic() - started
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value
        count += 1
        if run.step % LOG_EVERY == 0:
            means = {name: round(value / count, 5) for name, value in sums.items()}
            progress = run.progress()
            if not headed:
                log.writerow(["step", "progress", "seconds", "rate", *means])
                headed = True
            log.writerow([run.step, round(progress, 4), round(run.elapsed, 1), f"{run.rate():.2e}", *means.values()])
            flush()
            sums, count = {}, 0
            if time.monotonic() - shown > 20:
                shown = time.monotonic()
                left = run.elapsed / max(progress, 1e-6) * (1 - progress) / 60
                say(f"{run.task.name}: step {run.step}, {progress:.1%}, {means}, {left:.1f} min left")
        judged = judge.is_due()
        if judged:
            judge.look(run, path.with_name("best.pt"), say)
        if judged or time.monotonic() - saved > run.plan.save_every:
            run.save(path)
            saved = time.monotonic()


class _Judge:
    """Evaluates now and then, keeps the best weights in best.pt, and stops what no longer gets better."""

    def __init__(self, every: float | None, patience: int) -> None:
        self.every = every
        self.patience = patience
        self.last = time.monotonic()

    def is_due(self) -> bool:
        return self.every is not None and time.monotonic() - self.last >= 60 * self.every

    def gives_up(self, run: _Run) -> bool:
        """Whether the figure has not grown for `patience` times."""
        return self.every is not None and run.worse >= self.patience

    def figures(self, run: _Run) -> dict[str, float]:
        """Evaluate; EngineError where there is nothing to judge by."""
        figures = run.task.evaluate(run.mean_network(copy.deepcopy(run.network)))
        if run.task.goal not in figures:
            raise EngineError("no pictures are kept back to judge by (engines/data.py); leave --judge-every out")
        return figures

    def look(self, run: _Run, path: Path, say: Callable[[str], None]) -> None:
        """Evaluate, and keep what is better than all before."""
        figures = self.figures(run)
        self.last = time.monotonic()
        figure = figures[run.task.goal]
        say(f"{run.task.name}: step {run.step}, {run.task.goal} {figure:.4f}, best before {run.best:.4f}")
        run.worse += 1
        if figure > run.best:
            run.best, run.worse = figure, 0
            run.save(path, figures)


class _Run:
    """Everything that changes while training."""

    def __init__(self, task: Task, plan: Plan, device: torch.device) -> None:
        self.task, self.plan, self.device, self.habits = task, plan, device, task.habits
        self.batch = plan.batch or task.habits.batch
        self.steps = plan.steps if plan.pictures is None else -(-plan.pictures // self.batch)
        self.peak = plan.rate or task.habits.rate
        self.network = task.network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups, habits = task.groups(self.peak), task.habits
        self.optimizer: torch.optim.Optimizer
        if habits.momentum is None:
            self.optimizer = MuonAdamW(groups, lr=self.peak, betas=habits.betas, weight_decay=habits.decay)
        else:
            self.optimizer = torch.optim.SGD(groups, self.peak, habits.momentum, weight_decay=habits.decay)
        self.scales = [group["lr"] / self.peak for group in self.optimizer.param_groups]
        self.rival_optimizer: torch.optim.Optimizer | None = None
        if task.rival is not None:
            rival = task.rival.network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.rival_optimizer = torch.optim.AdamW(
                rival.parameters(), lr=self.peak * task.rival.rate, betas=task.rival.betas, weight_decay=habits.decay
            )
        self.mean = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.before: list[str] = []  # the trainings that this one starts from, the oldest first
        self.step = 0
        self.elapsed = 0.0
        self.best, self.worse = -math.inf, 0  # the best figure, and how many evaluations it is ago

    def _line(self) -> str:
        """This training in words, for the card of what it becomes."""
        words = f"{self.step} steps, {self.batch} samples each, rate {self.peak:g}, seed {self.plan.seed}"
        muon = isinstance(self.optimizer, MuonAdamW) and self.optimizer.kernels
        return ", ".join([words, *self.plan.asked, *(["Muon"] if muon else [])])

    def progress(self) -> float:
        if self.steps is not None:
            return self.step / self.steps
        assert self.plan.minutes is not None
        return min(1.0, self.elapsed / (60 * self.plan.minutes))

    def rate(self) -> float:
        """The learning rate now, as the habits' schedule says."""
        progress = min(1.0, self.progress())
        if self.habits.schedule == "one-cycle":
            up = progress < 0.3
            part = progress / 0.3 if up else (1 - progress) / 0.7
            least = 0.04 if up else 1e-4
            return self.peak * (least + (1 - least) * 0.5 * (1 - math.cos(math.pi * part)))
        warm = min(1.0, 0.1 + 0.9 * self.step / WARM_UP)
        if self.habits.schedule == "constant":
            return self.peak * warm
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def batches(self) -> DataLoader[Any]:
        workers = self.plan.workers
        if workers is None:
            workers = min(16, os.cpu_count() or 1) if self.device.type == "cuda" else 0
        return DataLoader(
            self.task.samples(self.batch, self.plan.seed),
            batch_size=self.batch,
            sampler=_Endless(self.step * self.batch),
            generator=torch.Generator(),  # the loader must not draw from what the loss draws from
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
        )

    def advance(self, batch: list[Tensor]) -> dict[str, float]:
        """One step; the value of each term of the loss."""
        self.network.train()
        for group, scale in zip(self.optimizer.param_groups, self.scales, strict=True):
            group["lr"] = self.rate() * scale
        batch = [part.to(self.device, non_blocking=True) for part in batch]
        rival = self.task.rival
        plays = rival is None or self.step % rival.turns == 0
        with self._autocast(), torch.set_grad_enabled(plays):
            terms = self.task.loss(batch, self.progress())
        if plays:
            _step(self.optimizer, terms)
        if rival is not None:
            assert self.rival_optimizer is not None
            self.rival_optimizer.param_groups[0]["lr"] = self.rate() * rival.rate
            with self._autocast():
                rival_terms = rival.loss()
            _step(self.rival_optimizer, rival_terms)
            terms |= rival_terms
        self.step += 1
        keep = min(self.plan.average, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.mean[name].lerp_(value, 1 - keep)
            else:
                self.mean[name].copy_(value)
        values = {name: value.item() for name, value in terms.items()}
        if not all(math.isfinite(value) for value in values.values()):
            raise EngineError(f"the loss is no longer finite at step {self.step}; train again with a lower --rate")
        return values

    def _autocast(self) -> torch.autocast:
        cuda = self.device.type == "cuda"
        enabled = cuda if self.plan.half is None else self.plan.half
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def mean_network(self, network: nn.Module) -> nn.Module:
        """The given network with the averaged weights, in inference mode."""
        network.load_state_dict(self.mean)
        return network.eval()

    def save(self, path: Path, figures: Mapping[str, float] | None = None) -> None:
        state = {
            "task": self.task.name,
            "network": self.network.state_dict(),
            "mean": self.mean,
            "optimizer": self.optimizer.state_dict(),
            **self._rival_state(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "elapsed": self.elapsed,
            "seed": self.plan.seed,
            "batch": self.batch,
            "best": self.best,
            "worse": self.worse,
            "figures": dict(figures or {}),
            "history": [*self.before, self._line()],
        }
        write_checkpoint(path, state)

    def _rival_state(self) -> dict[str, Any]:
        if self.task.rival is None:
            return {}
        assert self.rival_optimizer is not None
        return {"rival": self.task.rival.network.state_dict(), "rival_optimizer": self.rival_optimizer.state_dict()}

    def adopt(self, path: Path) -> str:
        """Start from another training's averaged weights and its rival's, wherever name and shape are the same, or
        from a model's.
        """
        found = self._unfold(path) if path.is_dir() else self._adopt_checkpoint(path)
        self.mean = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        return f"{found} come from {path}"

    def _unfold(self, path: Path) -> str:
        if self.task.name not in OURS:  # others have what `unfold` does not undo
            raise EngineError(f"{path} is a model, from which no {self.task.name} can start; start from its checkpoint")
        card = load_card(path / "card.json")
        if card.task != recipe_of(self.task.name).role:
            raise EngineError(f"{path} is a {card.task}, from which no {self.task.name} can start; name another model")
        batches = self.batches()
        first = [batch for batch, _ in zip(batches, range(MEASURED), strict=False)]

        def run(number: int) -> None:
            self.task.loss([part.to(self.device) for part in first[number]], 0.0)

        self.before = list(card.history)
        return f"{unfold(path / card.like, self.network, run, MEASURED, self.plan.remember)} convolutions"

    def _adopt_checkpoint(self, path: Path) -> str:
        state = read_checkpoint(path)
        if state["task"] != self.task.name:
            raise EngineError(f"{path} is not a checkpoint of the {self.task.name}; --from must name one")
        found = _load_fitting(self.network, state["mean"])
        if self.task.rival is not None and "rival" in state:
            _load_fitting(self.task.rival.network, state["rival"])
        self.before = state["history"]
        return found

    def restore(self, path: Path) -> None:
        state = read_checkpoint(path, "remove it to start over")
        ours = {"task": self.task.name, "seed": self.plan.seed, "batch": self.batch}
        for name, value in ours.items():
            if state.get(name, value) != value:
                raise EngineError(f"{path} is of {name} {state[name]}, not {value}; remove it or give another --out")
        name, advice = self.task.name, f"go on with --from {path} and another --out"
        if ("rival" in state) != (self.task.rival is not None):
            raise EngineError(f"{path} is of a {name} with{'' if 'rival' in state else 'out'} a rival; {advice}")
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.task.rival is not None:
                assert self.rival_optimizer is not None
                self.task.rival.network.load_state_dict(state["rival"])
                self.rival_optimizer.load_state_dict(state["rival_optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise EngineError(f"{path} is of a {name} of another size or version; {advice}") from error
        self.mean = {name: value.to(self.device) for name, value in state["mean"].items()}
        torch.set_rng_state(state["random"])
        self.before = state["history"][:-1]
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.best, self.worse = state.get("best", -math.inf), state.get("worse", 0)


def _load_fitting(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Take the weights whose name and shape the network has; how many they are, in words."""
    known = network.state_dict()
    fits = {name: value for name, value in weights.items() if name in known and value.shape == known[name].shape}
    network.load_state_dict(known | fits)
    return f"{len(fits)} of {len(known)} tensors"


def _step(optimizer: torch.optim.Optimizer, terms: Mapping[str, Tensor]) -> None:
    """One step down the sum of the terms."""
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    for group in optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], 5.0)
    optimizer.step()


class _Endless:
    """Sample numbers from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Any:
        index = self.start
        while True:
            yield index
            index += 1

    def __len__(self) -> int:
        return 1 << 40
