import {
  newReplicaSetSize,
  rollingBounds,
  shrinkOld,
} from "@raft2kube/controllers/deployment/rolling.ts";
import { setOf } from "@raft2kube/controllers/testing/objects.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions, repeatCommand } from "../check.ts";
import { as, clauses, number, text, words } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { type Bounds, deploymentOf } from "./objects.ts";
import { boundsOf, playRollout, type RolloutSpec } from "./rollout.ts";

const { bounds, growths, shrinks } = clauses(import.meta, {
  bounds: {
    replicas: number,
    given: as<Bounds>(),
    maxSurge: number,
    maxUnavailable: number,
    why: text,
  },
  growths: { replicas: number, old: number, current: number, expected: number, why: text },
  shrinks: { old: words, fresh: text, sizes: text, why: text },
});

check("rollout: how far above and below the size it may go", () => {
  for (const { replicas, given, maxSurge, maxUnavailable, why } of bounds) {
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

check("rollout: the size that the new ReplicaSet may have", () => {
  for (const { replicas, old, current, expected, why } of growths) {
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

check("rollout: which old ReplicaSets shrink, and how far", () => {
  for (const { old, fresh, sizes, why } of shrinks) {
    const of = (name: string, counts: string) => {
      const [size, available] = counts.split("/").map(Number);
      return setOf(name, size, available);
    };
    const shrunk = shrinkOld(
      deploymentOf(4),
      of("new", fresh),
      old.map((counts, i) => of(`old${i}`, counts)),
    );
    const texts = [...shrunk]
      .map(([name, size]) => `${name}=${size}`)
      .sort()
      .join(" ");
    mustEqual(texts || "none", sizes, {
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
