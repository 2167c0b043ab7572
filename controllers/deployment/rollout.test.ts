import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { planDeployment } from "./plan.ts";
import { annotationsOfNew, nextRevision, REVISION, revisionOf } from "./revision.ts";
import { rollingBounds, wanted, wantedByAll } from "./rolling.ts";
import { conditionOf, isComplete } from "./status.ts";

/**
 * Plays a deployment against ReplicaSets that obey: what is planned happens, pods get ready one by
 * one.
 */
class Rollout {
  deployment: Deployment;
  sets: ReplicaSet[] = [];
  now_ms = Date.parse("2026-01-01T00:00:00Z");
  #created = 0;

  constructor(spec: Partial<Deployment["spec"]>) {
    this.deployment = {
      metadata: { name: "web", namespace: "ns", uid: "d", generation: 1 },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: "web" } },
        template: template("v1"),
        strategy: { type: "RollingUpdate" },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        ...spec,
      },
    };
  }

  change(spec: Partial<Deployment["spec"]>): void {
    const { metadata } = this.deployment;
    metadata.generation = (metadata.generation ?? 0) + 1;
    this.deployment.spec = { ...this.deployment.spec, ...spec };
  }

  /** One look of the controller; whether it wrote anything. */
  step(): boolean {
    this.now_ms += 1_000;
    const plan = planDeployment(this.deployment, this.sets, [], this.now_ms);
    if (plan.create) this.#add(plan.create);
    for (const { replicaSet } of plan.update) this.#replace(replicaSet);
    this.sets = this.sets.filter((set) => !plan.delete.includes(set));
    const { metadata, status } = this.deployment;
    this.deployment = { ...this.deployment, status: plan.status };
    if (plan.revision !== undefined) {
      const annotations = { ...metadata.annotations, [REVISION]: String(plan.revision) };
      this.deployment.metadata = { ...metadata, annotations };
    }
    const changed = JSON.stringify(status) !== JSON.stringify(plan.status);
    return changed || plan.create !== undefined || plan.update.length + plan.delete.length > 0;
  }

  /**
   * Pods of each set follow its size; one that is not ready becomes so. `fails` never get ready.
   */
  settle(fails: (set: ReplicaSet) => boolean = () => false): boolean {
    let moved = false;
    for (const set of this.sets) {
      const available = Math.min(set.status?.availableReplicas ?? 0, wanted(set));
      const more = available < wanted(set) && !fails(set) ? 1 : 0;
      const before = JSON.stringify(set.status);
      set.status = {
        replicas: wanted(set),
        readyReplicas: available + more,
        availableReplicas: available + more,
        observedGeneration: set.metadata.generation ?? 0,
      };
      moved ||= JSON.stringify(set.status) !== before;
    }
    return moved;
  }

  /** Runs to the end; checks the bounds at each step. */
  run(fails?: (set: ReplicaSet) => boolean, check: () => void = () => {}): void {
    for (let i = 0; i < 200; i++) {
      const stepped = this.step();
      check();
      const moved = this.settle(fails);
      if (!stepped && !moved) return;
    }
    throw new Error("the rollout does not come to rest");
  }

  available(): number {
    return this.sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);
  }

  images(): string {
    const live = this.sets.filter((set) => wanted(set) > 0);
    return live.map((set) => `${imageOf(set)}=${wanted(set)}`).join(" ");
  }

  #add(set: ReplicaSet): void {
    this.#created++;
    const creationTimestamp = timeText(this.now_ms);
    const uid = `rs${this.#created}`;
    const metadata = { ...set.metadata, uid, generation: 1, creationTimestamp };
    this.sets.push({ ...set, metadata });
  }

  #replace(set: ReplicaSet): void {
    const index = this.sets.findIndex((other) => other.metadata.name === set.metadata.name);
    const generation = (set.metadata.generation ?? 0) + 1;
    this.sets[index] = { ...set, metadata: { ...set.metadata, generation } };
  }
}

function template(image: string) {
  return { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } };
}

const imageOf = (set: ReplicaSet): string => set.spec.template?.spec?.containers[0]?.image ?? "";

describe("a rolling update", () => {
  test("creates the first ReplicaSet and completes", () => {
    const rollout = new Rollout({});
    rollout.run();
    expect(rollout.images()).toBe("v1=3");
    expect(isComplete(rollout.deployment, rollout.deployment.status ?? {})).toBe(true);
    expect(conditionOf(rollout.deployment.status, "Available")?.status).toBe("True");
    expect(conditionOf(rollout.deployment.status, "Progressing")?.reason).toBe(
      "NewReplicaSetAvailable",
    );
    const [set] = rollout.sets;
    expect(set?.metadata.name).toBe(`web-${set?.metadata.labels?.["pod-template-hash"] ?? "none"}`);
    expect(set?.spec.selector.matchLabels?.["pod-template-hash"]).toBeDefined();
  });

  test("never leaves its bounds, whatever they are", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const bound = () => {
        const value = randomInteger(random, 0, 4);
        return random.next() < 0.5 ? value : `${value * 25}%`;
      };
      const rollingUpdate = { maxSurge: bound(), maxUnavailable: bound() };
      const replicas = randomInteger(random, 1, 12);
      const strategy = { type: "RollingUpdate" as const, rollingUpdate };
      const rollout = new Rollout({ replicas, strategy });
      rollout.run();
      const { maxSurge, maxUnavailable } = rollingBounds(rollout.deployment);
      rollout.change({ template: template("v2") });
      const context = `seed ${seed} ${JSON.stringify(rollingUpdate)} replicas ${replicas}`;
      rollout.run(undefined, () => {
        expect(wantedByAll(rollout.sets), context).toBeLessThanOrEqual(replicas + maxSurge);
        expect(rollout.available(), context).toBeGreaterThanOrEqual(replicas - maxUnavailable);
      });
      expect(rollout.images(), context).toBe(`v2=${replicas}`);
    }
  });

  test("a broken image stops with the old pods in service, reported after the deadline", () => {
    const rollout = new Rollout({ replicas: 4 });
    rollout.run();
    rollout.change({ template: template("broken") });
    const fails = (set: ReplicaSet) => imageOf(set) === "broken";
    rollout.run(fails);
    expect(rollout.images()).toBe("v1=3 broken=2");
    expect(conditionOf(rollout.deployment.status, "Progressing")?.status).toBe("True");
    rollout.now_ms += 601_000;
    rollout.step();
    expect(conditionOf(rollout.deployment.status, "Progressing")).toMatchObject({
      status: "False",
      reason: "ProgressDeadlineExceeded",
    });
  });

  test("undo brings the old ReplicaSet back under a new revision and keeps its history", () => {
    const rollout = new Rollout({});
    rollout.run();
    rollout.change({ template: template("v2") });
    rollout.run();
    rollout.change({ template: template("v1") });
    rollout.run();
    expect(rollout.images()).toBe("v1=3");
    expect(rollout.sets).toHaveLength(2);
    const first = rollout.sets.find((set) => imageOf(set) === "v1");
    expect(first?.metadata.annotations).toMatchObject({
      [REVISION]: "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
    expect(rollout.deployment.metadata.annotations?.[REVISION]).toBe("3");
  });

  test("keeps no more old ReplicaSets than the limit", () => {
    const rollout = new Rollout({ revisionHistoryLimit: 2 });
    rollout.run();
    for (const image of ["v2", "v3", "v4", "v5"]) {
      rollout.change({ template: template(image) });
      rollout.run();
    }
    expect(rollout.sets.map(imageOf)).toEqual(["v3", "v4", "v5"]);
  });

  test("keeps its revision when no older ReplicaSet is left", () => {
    const rollout = new Rollout({ revisionHistoryLimit: 0 });
    rollout.run();
    for (const [image, revision] of [
      ["v2", "2"],
      ["v3", "3"],
    ] as const) {
      rollout.change({ template: template(image) });
      rollout.run();
      expect(rollout.sets.map(imageOf)).toEqual([image]);
      const annotations = [rollout.deployment, ...rollout.sets].map(
        ({ metadata }) => metadata.annotations?.[REVISION],
      );
      expect(annotations).toEqual([revision, revision]);
    }
  });
});

describe("a paused deployment", () => {
  test("does not roll, but scales; resumed it goes on", () => {
    const rollout = new Rollout({});
    rollout.run();
    rollout.change({ paused: true, template: template("v2") });
    rollout.run();
    expect(rollout.images()).toBe("v1=3");
    expect(conditionOf(rollout.deployment.status, "Progressing")?.reason).toBe("DeploymentPaused");
    rollout.change({ replicas: 5 });
    rollout.run();
    expect(rollout.images()).toBe("v1=5");
    rollout.change({ paused: false });
    rollout.run();
    expect(rollout.images()).toBe("v2=5");
  });
});

test("scaling in the middle of a rollout keeps the proportion", () => {
  const rollout = new Rollout({ replicas: 10 });
  rollout.run();
  rollout.change({ template: template("v2") });
  const broken = (set: ReplicaSet) => imageOf(set) === "v2";
  rollout.run(broken);
  expect(rollout.images()).toBe("v1=8 v2=5");
  rollout.change({ replicas: 20 });
  rollout.step();
  expect(rollout.images()).toBe("v1=15 v2=10");
});

test("Recreate ends all old pods before it makes a new one", () => {
  const rollout = new Rollout({ strategy: { type: "Recreate" } });
  rollout.run();
  rollout.change({ template: template("v2") });
  rollout.step();
  expect(rollout.images()).toBe("");
  expect(rollout.sets).toHaveLength(1);
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "x", controller: true };
  const uid = rollout.sets[0]?.metadata.uid ?? "";
  const leaving = {
    metadata: { name: "p", ownerReferences: [{ ...owner, uid }], deletionTimestamp: "now" },
    spec: { containers: [] },
    status: { phase: "Running" as const },
  };
  const waiting = planDeployment(rollout.deployment, rollout.sets, [leaving], rollout.now_ms);
  expect(waiting.create).toBeUndefined();
  rollout.run();
  expect(rollout.images()).toBe("v2=3");
});

describe("a revision", () => {
  const set = (revision: string) =>
    ({ metadata: { annotations: { [REVISION]: revision } } }) as unknown as ReplicaSet;

  test("above 2^53 keeps every digit", () => {
    const old = ["9007199254740993", "9007199254740992", "12"].map(set);
    expect(nextRevision(old)).toBe(9007199254740994n);
    const deployment = { metadata: {} } as Deployment;
    const annotations = annotationsOfNew(deployment, old[1], 9007199254740994n);
    expect(annotations).toEqual({
      [REVISION]: "9007199254740994",
      "deployment.kubernetes.io/revision-history": "9007199254740992",
    });
  });

  test("a history of a user's, of 256 KiB, is cut to the newest that fit", () => {
    const old = set("12");
    const history = "revision-history";
    old.metadata.annotations![`deployment.kubernetes.io/${history}`] = "1,".repeat(128_000);
    const written = annotationsOfNew({ metadata: {} } as Deployment, old, 13n);
    const cut = `${"1,".repeat(998)},12`;
    expect(written[`deployment.kubernetes.io/${history}`]).toBe(cut);
  });

  test.each(["9223372036854775808", "1e3", "1.5", "", "x"])("%j is none, and stays", (text) => {
    expect(revisionOf(set(text))).toBe(0n);
    expect(nextRevision([set(text), set("7")])).toBe(8n);
    const deployment = { metadata: {} } as Deployment;
    const written = annotationsOfNew(deployment, set(text), 8n)[REVISION];
    expect(written).toBe(text === "" ? "8" : text);
  });
});
