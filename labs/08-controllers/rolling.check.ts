import {
  newReplicaSetSize,
  rollingBounds,
  shrinkOld,
} from "@raft2kube/controllers/deployment/rolling.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions, repeatCommand } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { type Bounds, deploymentOf, setOf } from "./objects.ts";
import { boundsOf, playRollout, type RolloutSpec } from "./rollout.ts";

const NEITHER = "with neither above nor below nothing could move";

const BOUNDS: readonly (readonly [
  replicas: number,
  given: Bounds,
  surge: number,
  unavailable: number,
  why: string,
])[] = [
  [4, {}, 1, 1, "the API's default is 25% of each"],
  [3, {}, 1, 0, "surge is rounded up, unavailable down: in doubt more pods, not fewer"],
  [10, { surge: "25%", unavailable: "25%" }, 3, 2, "surge is rounded up, unavailable down"],
  [4, { surge: 0, unavailable: 2 }, 0, 2, "a number is taken as it is"],
  [4, { surge: 0, unavailable: 0 }, 0, 1, NEITHER],
  [3, { surge: "0%", unavailable: "1%" }, 0, 1, NEITHER],
  [2, { surge: 0, unavailable: 5 }, 0, 2, "more than all cannot be unavailable"],
  [0, { surge: 1, unavailable: 1 }, 1, 0, "of no pods none can be unavailable"],
];

check("rollout: how far above and below the size it may go", () => {
  for (const [replicas, given, maxSurge, maxUnavailable, why] of BOUNDS) {
    mustEqual(
      rollingBounds(deploymentOf(replicas, given)),
      { maxSurge, maxUnavailable },
      { when: `${replicas} replicas, ${JSON.stringify(given)}`, why },
    );
  }
  const recreated = deploymentOf(4);
  recreated.spec.strategy = { type: "Recreate" };
  mustEqual(
    rollingBounds(recreated),
    { maxSurge: 0, maxUnavailable: 0 },
    {
      when: "4 replicas, strategy Recreate",
      why: "both versions at once is what Recreate excludes",
    },
  );
});

const GROWTHS: readonly (readonly [
  replicas: number,
  old: number,
  current: number,
  expected: number,
  why: string,
])[] = [
  [4, 4, 0, 1, "4 and a surge of 1: there is room for one"],
  [4, 4, 1, 1, "there is no room until an old one goes"],
  [4, 3, 1, 2, "an old one is gone: there is room for one more"],
  [4, 0, 2, 4, "never more than is wanted: the surge is for the way"],
  [4, 0, 0, 4, "nothing is in the way"],
  [4, 9, 0, 0, "a deployment that was scaled down has no room at all"],
];

check("rollout: the size that the new ReplicaSet may have", () => {
  for (const [replicas, old, current, expected, why] of GROWTHS) {
    const sets = [setOf("old", old), setOf("new", current)];
    mustEqual(newReplicaSetSize(deploymentOf(replicas), sets, current), expected, {
      when: `${replicas} replicas, surge 1, old ${old}, new ${current}`,
      why,
    });
  }
  const recreated = deploymentOf(4);
  recreated.spec.strategy = { type: "Recreate" };
  mustEqual(newReplicaSetSize(recreated, [setOf("new", 0)], 0), 4, {
    when: "4 replicas, strategy Recreate",
    why: "the old ones have ended before",
  });
});

/** Old sets and the new one as size/available, and the sizes that change. */
const SHRINKS: readonly (readonly [
  old: readonly string[],
  fresh: string,
  sizes: string,
  why: string,
])[] = [
  [["4/4"], "1/0", "old0=3", "one of four may be unavailable, and the new one is not yet there"],
  [["4/4"], "1/1", "old0=2", "five are available, three must be"],
  [["3/3"], "1/0", "", "three are available: taking one would leave two"],
  [["4/0"], "1/0", "old0=3", "three old ones and the new one may still become available"],
  [["4/3"], "1/0", "old0=3", "the one that serves nothing goes first"],
  [["2/2", "3/0"], "0/0", "old1=1", "those that serve nothing first, whichever is older"],
  [["2/2", "2/2"], "1/1", "old0=0", "the oldest first"],
  [["1/1", "3/3"], "1/1", "old0=0 old1=2", "the oldest first, then the next"],
  [["0/0"], "4/4", "", "nothing is left to shrink"],
];

check("rollout: which old ReplicaSets shrink, and how far", () => {
  for (const [old, fresh, sizes, why] of SHRINKS) {
    const of = (name: string, text: string) => {
      const [size, available] = text.split("/").map(Number);
      return setOf(name, size, available);
    };
    const shrunk = shrinkOld(
      deploymentOf(4),
      of("new", fresh),
      old.map((text, i) => of(`old${i}`, text)),
    );
    const texts = [...shrunk]
      .map(([name, size]) => `${name}=${size}`)
      .sort()
      .join(" ");
    mustEqual(texts || "none", sizes || "none", {
      when: `4 replicas, 25% each; old ${old.join(", ")} (size/available), new ${fresh}`,
      why,
    });
  }
});

/** Plays one rollout, and judges each look at it, and its end. */
function judgeRollout(spec: RolloutSpec, repeat?: string): void {
  const { most, least } = boundsOf(spec);
  const looks: string[] = [];
  let last = { old: { size: 0, available: 0 }, new: { size: 0, available: 0 } };
  const again = repeat === undefined ? {} : { repeat };
  playRollout(spec, (look) => {
    last = look;
    const text =
      `old ${look.old.size}/${look.old.available}, new ${look.new.size}/` + `${look.new.available}`;
    if (looks.at(-1) !== text) looks.push(text);
    judge(look.old.size + look.new.size <= most, {
      when: `${JSON.stringify(spec)}: ${looks.join("; then ")}`,
      happened: `${look.old.size + look.new.size} pods`,
      expected: `at most ${most}`,
      why: "maxSurge is a promise to the quota and to the nodes",
      body: "newReplicaSetSize",
      ...again,
    });
    judge(look.old.available + look.new.available >= least, {
      when: `${JSON.stringify(spec)}: ${looks.join("; then ")} (size/available)`,
      happened: `${look.old.available + look.new.available} available`,
      expected: `at least ${least}`,
      why: "maxUnavailable is a promise to the clients",
      body: "shrinkOld",
      ...again,
    });
  });
  const isOver = last.old.size === 0 && last.new.size === spec.replicas;
  judge(spec.broken === true || isOver, {
    when: `${JSON.stringify(spec)}: ${looks.join("; then ")}, and nothing moves any more`,
    happened: `old ${last.old.size}, new ${last.new.size}`,
    expected: `old 0, new ${spec.replicas}`,
    why: "a rollout that stops half way serves two versions for ever",
    body: "shrinkOld",
    ...again,
  });
}

check("rollout: three pods, one above and none below", () => {
  judgeRollout({ replicas: 3, surge: 1, unavailable: 0 });
});

check("rollout: a version that never starts leaves enough of the old one", () => {
  judgeRollout({ replicas: 4, broken: true });
});

check("rollout: all sizes and bounds, never beyond them, and it ends", () => {
  const { seed = 1, runs = 200 } = checkOptions();
  for (let run = seed; run < seed + runs; run++) {
    const random = seededRandom(run);
    const bound = () => pick(random, [0, 1, 2, 5, "0%", "10%", "25%", "50%", "100%"]);
    const spec = {
      replicas: randomInteger(random, 1, 13),
      surge: bound(),
      unavailable: bound(),
      broken: random.next() < 0.2,
    };
    judgeRollout(spec, repeatCommand("all sizes and bounds", run));
  }
});
