import type {
  ControllerRevision,
  StatefulSet,
  StatefulSetSpec,
} from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { describe, expect, test } from "vitest";
import { dataOf } from "../history/plan.ts";
import { STATEFUL_CLAIMS_BURST, STATEFUL_PODS_BURST } from "../limits.ts";
import { statusChanged } from "../status-change.ts";
import { claimsOf, hasIdentity, ordinalOf, podOf } from "./identity.ts";
import { planStep, type StatefulView } from "./plan.ts";
import { planRetention } from "./retention.ts";
import { surplusRevisions } from "./statefulset.ts";
import { planStatus } from "./status.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");

function statefulSet(spec: Partial<StatefulSetSpec> = {}): StatefulSet {
  return {
    metadata: { name: "db", namespace: "ns", uid: "set", generation: 4 },
    spec: {
      replicas: 3,
      serviceName: "db",
      selector: { matchLabels: { app: "db" } },
      podManagementPolicy: "OrderedReady",
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
      template: { metadata: { labels: { app: "db" } }, spec: { containers: [] } },
      ...spec,
    },
  };
}

function revision(name: string, number: number): ControllerRevision {
  const template = { metadata: { labels: { app: "db", made: name } }, spec: { containers: [] } };
  const data = dataOf(template) as unknown as ControllerRevision["data"];
  return { metadata: { name }, revision: number, data };
}

/** `2:new` is pod db-2 of revision new; more words: unready, pending, failed, leaving, fresh. */
function pod(set: StatefulSet, text: string): Pod {
  const [ordinal = "", made = "", ...words] = text.split(/[: ]/);
  const is = (word: string) => words.includes(word);
  const result = podOf(set, Number(ordinal), made);
  const phase = is("pending") ? "Pending" : is("failed") ? "Failed" : "Running";
  const ready = phase === "Running" && !is("unready") ? ("True" as const) : ("False" as const);
  const since_ms = NOW_MS - (is("fresh") ? 1_000 : 60_000);
  result.metadata.uid = text;
  if (is("leaving")) result.metadata.deletionTimestamp = timeText(NOW_MS);
  result.status = {
    phase,
    conditions: [{ type: "Ready", status: ready, lastTransitionTime: timeText(since_ms) }],
  };
  return result;
}

function view(
  set: StatefulSet,
  pods: string[],
  claims: PersistentVolumeClaim[] = [],
): StatefulView {
  return {
    set,
    pods: pods.map((text) => pod(set, text)),
    now_ms: NOW_MS,
    current: revision("old", 1),
    update: revision("new", 2),
    claim: (name) => claims.find(({ metadata }) => metadata.name === name),
  };
}

/** Tasks as text, `delete db-2`, stage after stage. */
function steps(given: StatefulView): string[] {
  return planStep(given)
    .stages.flat()
    .map((task) => {
      const made = task.pod.metadata.labels?.["controller-revision-hash"];
      return `${task.do} ${task.pod.metadata.name}${task.do === "create" ? ` ${made}` : ""}`;
    });
}

const ALL = ["0:new", "1:new", "2:new"];
const PARALLEL = { podManagementPolicy: "Parallel" } as const;

describe("OrderedReady", () => {
  test.each<[string, Partial<StatefulSetSpec>, string[], string[]]>([
    ["the first", {}, [], ["create db-0 new"]],
    ["the second waits", {}, ["0:new unready"], []],
    ["and comes when the first is ready", {}, ["0:new"], ["create db-1 new"]],
    ["or available", { minReadySeconds: 30 }, ["0:new fresh"], []],
    ["a hole is filled first", {}, ["0:new", "2:new"], ["create db-1 new"]],
    ["one that leaves is waited for", {}, ["0:new leaving", "1:new", "2:new"], []],
    ["one that has failed is deleted", {}, ["0:new", "1:new failed", "2:new"], ["delete db-1"]],
    ["and is waited for", {}, ["0:new", "1:new failed leaving", "2:new"], []],
    ["nothing to do", {}, ALL, []],
    ["scaled down: the last", { replicas: 1 }, ALL, ["delete db-2"]],
    ["the next waits for it", { replicas: 1 }, ["0:new", "1:new", "2:new leaving"], []],
    [
      "not while one that stays is not ready",
      { replicas: 1 },
      ["0:new unready", "1:new", "2:new"],
      [],
    ],
    [
      "one that is broken goes first only in its turn",
      { replicas: 1 },
      ["0:new", "1:new unready", "2:new"],
      ["delete db-2"],
    ],
    [
      "two that are broken: the lower one holds the other",
      { replicas: 1 },
      ["0:new", "1:new unready", "2:new unready"],
      [],
    ],
    ["ordinals from 5", { ordinals: { start: 5 }, replicas: 2 }, ["5:new"], ["create db-6 new"]],
    [
      "ordinals beyond an int32",
      { ordinals: { start: 2_147_483_647 }, replicas: 3 },
      ["2147483647:new", "2147483648:new"],
      ["create db-2147483649 new"],
    ],
    [
      "those before the start go last",
      { ordinals: { start: 1 }, replicas: 2 },
      ALL,
      ["delete db-0"],
    ],
  ])("%s", (_name, spec, pods, wanted) => {
    expect(steps(view(statefulSet(spec), pods))).toEqual(wanted);
  });

  test("a set that is being deleted does nothing", () => {
    const set = statefulSet();
    set.metadata.deletionTimestamp = timeText(NOW_MS);
    expect(steps(view(set, []))).toEqual([]);
  });

  test("a pod stuck in an old revision is not replaced: it never gets ready", () => {
    expect(steps(view(statefulSet(), ["0:new", "1:new", "2:old unready"]))).toEqual([]);
  });
});

describe("Parallel", () => {
  test.each<[string, Partial<StatefulSetSpec>, string[], string[]]>([
    ["all at once", {}, [], ["create db-0 new", "create db-1 new", "create db-2 new"]],
    [
      "none waits for another",
      {},
      ["0:new unready", "1:new failed"],
      ["delete db-1", "create db-2 new"],
    ],
    [
      "scaled down at once",
      { replicas: 1 },
      ["0:new unready", "1:new", "2:new"],
      ["delete db-2", "delete db-1"],
    ],
    ["an update, one at a time", {}, ["0:old", "1:old", "2:old"], ["delete db-2"]],
    ["that waits", {}, ["0:old", "1:old", "2:new unready"], []],
    ["and replaces what is stuck", {}, ["0:old", "1:old unready", "2:new"], ["delete db-1"]],
  ])("%s", (_name, spec, pods, wanted) => {
    expect(steps(view(statefulSet({ ...PARALLEL, ...spec }), pods))).toEqual(wanted);
  });
});

describe("as many replicas as the field holds", () => {
  const replicas = 2 ** 31 - 1;
  const created = (from: number) =>
    Array.from({ length: STATEFUL_PODS_BURST }, (_, place) => `create db-${from + place} new`);

  test("Parallel: a step makes a burst, the next one goes on after it", () => {
    const set = statefulSet({ ...PARALLEL, replicas });
    expect(steps(view(set, []))).toEqual(created(0));
    const first = Array.from({ length: STATEFUL_PODS_BURST }, (_, ordinal) => `${ordinal}:new`);
    expect(steps(view(set, first))).toEqual(created(STATEFUL_PODS_BURST));
  });

  test("Parallel: what is done about pods that exist does not count", () => {
    const set = statefulSet({ ...PARALLEL, replicas, ordinals: { start: 1 } });
    expect(steps(view(set, ["0:new", "1:new failed"]))).toEqual([
      "delete db-1",
      ...created(2),
      "delete db-0",
    ]);
  });

  test("Parallel: a burst of those that are too many goes, the last first", () => {
    const pods = Array.from({ length: STATEFUL_PODS_BURST + 2 }, (_, ordinal) => `${ordinal}:new`);
    const gone = steps(view(statefulSet({ ...PARALLEL, replicas: 0 }), pods));
    expect(gone).toHaveLength(STATEFUL_PODS_BURST);
    expect([gone[0], gone.at(-1)]).toEqual([`delete db-${STATEFUL_PODS_BURST + 1}`, "delete db-2"]);
  });

  test("Parallel: their claims are bounded, too, and made one by one", () => {
    let reads = 0;
    const selector = {
      get matchLabels() {
        reads++;
        return { app: "db" };
      },
    };
    const volumeClaimTemplates = Array.from({ length: STATEFUL_CLAIMS_BURST / 2 }, (_, at) => ({
      metadata: { name: `v${at}` },
      spec: {},
    }));
    const set = { ...statefulSet({ ...PARALLEL, replicas }) };
    set.spec = { ...set.spec, volumeClaimTemplates };
    Object.defineProperty(set.spec, "selector", { get: () => selector });
    expect(steps(view(set, []))).toEqual(["create db-0 new", "create db-1 new"]);
    expect(reads).toBe(0);
    claimsOf(set, 0)[Symbol.iterator]().next();
    expect(reads).toBe(1);
  });

  test("OrderedReady: one", () => {
    expect(steps(view(statefulSet({ replicas }), ["0:new"]))).toEqual(["create db-1 new"]);
  });

  test("the status counts the pods that exist", () => {
    expect(planStatus(view(statefulSet({ replicas }), ["0:new"]), 0, 0)).toMatchObject({
      replicas: 1,
      currentReplicas: 0,
      updatedReplicas: 1,
    });
  });
});

describe("updates", () => {
  const rolling = (partition?: number) => ({
    updateStrategy: {
      type: "RollingUpdate" as const,
      ...(partition !== undefined && { rollingUpdate: { partition } }),
    },
  });
  test.each<[string, Partial<StatefulSetSpec>, string[], string[]]>([
    ["the last first", {}, ["0:old", "1:old", "2:old"], ["delete db-2"]],
    ["then the one before it", {}, ["0:old", "1:old", "2:new"], ["delete db-1"]],
    ["not before it is ready", {}, ["0:old", "1:old", "2:new unready"], []],
    ["not below the partition", rolling(2), ["0:old", "1:old", "2:new"], []],
    ["a new pod below it is old", rolling(2), [], ["create db-0 old"]],
    ["and one above it new", rolling(1), ["0:old"], ["create db-1 new"]],
    ["OnDelete", { updateStrategy: { type: "OnDelete" } }, ["0:old", "1:old", "2:old"], []],
    [
      "makes new ones of the newest",
      { updateStrategy: { type: "OnDelete" } },
      ["0:old", "1:old"],
      ["create db-2 new"],
    ],
    ["scaling comes first", { replicas: 2 }, ["0:old", "1:old", "2:old"], ["delete db-2"]],
  ])("%s", (_name, spec, pods, wanted) => {
    expect(steps(view(statefulSet(spec), pods))).toEqual(wanted);
  });

  test("a current revision without a template: pods are of the newest", () => {
    const current: ControllerRevision = { ...revision("old", 1), data: {} };
    const given = { ...view(statefulSet(rolling(2)), []), current };
    expect(steps(given)).toEqual(["create db-0 new"]);
    expect(planStep(given).stages[0]?.[0]?.pod.metadata.labels).toMatchObject({ made: "new" });
  });

  test("without a partition as many are old as the status has", () => {
    const first = (currentReplicas: number) =>
      steps(
        view(
          {
            ...statefulSet(rolling()),
            status: { replicas: 1, availableReplicas: 0, currentReplicas },
          },
          [],
        ),
      );
    expect(first(1)).toEqual(["create db-0 old"]);
    expect(first(0)).toEqual(["create db-0 new"]);
  });
});

const WITH_CLAIM: Partial<StatefulSetSpec> = {
  volumeClaimTemplates: [{ metadata: { name: "data", labels: { tier: "x" } }, spec: {} }],
};

describe("the identity of a pod", () => {
  const set = statefulSet({ ...WITH_CLAIM, ordinals: { start: 1 } });
  test("is its name, host name, labels and claims", () => {
    const made = podOf(set, 1, "rev");
    expect(made.metadata.name).toBe("db-1");
    expect(made.metadata.generateName).toBe(undefined);
    expect(made.metadata.labels).toEqual({
      app: "db",
      "controller-revision-hash": "rev",
      "apps.kubernetes.io/pod-index": "1",
      "statefulset.kubernetes.io/pod-name": "db-1",
    });
    expect(made.spec).toMatchObject({
      hostname: "db-1",
      subdomain: "db",
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data-db-1" } }],
    });
    expect([...claimsOf(set, 1)][0]?.metadata).toEqual({
      name: "data-db-1",
      namespace: "ns",
      labels: { tier: "x", app: "db" },
    });
  });

  test("has no subdomain of the template", () => {
    const spec = { ...structuredClone(set.spec), serviceName: "" };
    spec.template.spec!.subdomain = "BAD_";
    expect(podOf({ ...set, spec }, 1, "rev").spec.subdomain).toBe(undefined);
  });

  test("is repaired", () => {
    const given = view(
      set,
      ["1:new", "2:new", "3:new"],
      [1, 2, 3].flatMap((ordinal) => [...claimsOf(set, ordinal)]),
    );
    expect(steps(given)).toEqual([]);
    delete given.pods[1]!.metadata.labels!["statefulset.kubernetes.io/pod-name"];
    expect(hasIdentity(set, given.pods[1]!, 2)).toBe(false);
    expect(steps(given)).toEqual(["repair db-2"]);
  });

  test.each([
    ["db-7", 7],
    ["db-07", 7],
    ["db", undefined],
    ["db-x", undefined],
    ["other-7", undefined],
    ["db-99999999999", undefined],
  ])("%s", (name, wanted) => {
    expect(ordinalOf(set, { metadata: { name }, spec: { containers: [] } })).toBe(wanted);
  });
});

describe("claims", () => {
  const owner = (kind: string, name: string, uid: string, controller = true): OwnerReference => ({
    apiVersion: kind === "Pod" ? "v1" : "apps/v1",
    kind,
    name,
    uid,
    controller,
    blockOwnerDeletion: true,
  });
  const ofSet = owner("StatefulSet", "db", "set");
  const ofPod = owner("Pod", "db-1", "1:new");
  const foreign = owner("Other", "x", "x");

  test.each<[string, string, number, OwnerReference[], OwnerReference[] | undefined, boolean]>([
    ["Retain Retain", "none", 3, [], undefined, false],
    ["Retain Retain", "no longer", 3, [ofSet], [], false],
    ["Delete Retain", "with the set", 3, [], [ofSet], false],
    ["Delete Retain", "as it is", 3, [ofSet], undefined, false],
    ["Retain Delete", "none while it is wanted", 3, [], undefined, false],
    ["Retain Delete", "with the pod that goes", 1, [], [ofPod], false],
    ["Delete Delete", "with the set", 3, [ofPod], [ofSet], false],
    ["Delete Delete", "with the pod that goes", 1, [ofSet], [ofPod], false],
    [
      "Delete Delete",
      "an owner must control",
      3,
      [{ ...ofSet, controller: false }],
      [ofSet],
      false,
    ],
    ["Delete Delete", "another controller's", 3, [foreign], undefined, true],
    ["Delete Delete", "another controller's, and ours", 3, [foreign, ofSet], [foreign], true],
    [
      "Delete Delete",
      "an earlier set's",
      3,
      [owner("StatefulSet", "db", "before")],
      undefined,
      true,
    ],
    ["Retain Retain", "of another controller", 3, [foreign], undefined, false],
  ])("%s: %s", (policy, _name, replicas, before, owners, conflict) => {
    const [whenDeleted = "", whenScaled = ""] = policy.split(" ");
    const set = statefulSet({
      ...WITH_CLAIM,
      replicas,
      persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
    });
    const [claim] = claimsOf(set, 1);
    claim!.metadata.ownerReferences = before;
    expect(planRetention(set, pod(set, "1:new"), 1, claim!)).toEqual({ owners, conflict });
  });

  test("missing ones of a pending pod are made", () => {
    const set = statefulSet({ ...WITH_CLAIM, replicas: 1 });
    expect(steps(view(set, ["0:new pending"]))).toEqual(["claims db-0"]);
    expect(steps(view(set, ["0:new pending"], [...claimsOf(set, 0)]))).toEqual([]);
  });

  test("a pod is not made while its claim goes with the one before", () => {
    const retention = { whenDeleted: "Retain", whenScaled: "Delete" };
    const set = statefulSet({
      ...WITH_CLAIM,
      replicas: 1,
      persistentVolumeClaimRetentionPolicy: retention,
    });
    const [claim] = claimsOf(set, 0);
    claim!.metadata.ownerReferences = [owner("Pod", "db-0", "before")];
    expect(steps(view(set, [], [claim!]))).toEqual([]);
    expect(steps(view(set, [], []))).toEqual(["create db-0 new"]);
  });

  test("one that is scaled away gets its owner first", () => {
    const retention = { whenDeleted: "Retain", whenScaled: "Delete" };
    const set = statefulSet({
      ...WITH_CLAIM,
      replicas: 1,
      persistentVolumeClaimRetentionPolicy: retention,
    });
    const claims = [...claimsOf(set, 0), ...claimsOf(set, 1)];
    expect(steps(view(set, ["0:new", "1:new"], claims))).toEqual(["retain db-1", "delete db-1"]);
  });
});

describe("the status", () => {
  test("counts pods by revision", () => {
    const set = statefulSet({ minReadySeconds: 30 });
    const pods = ["0:old", "1:old unready", "2:new fresh", "3:new leaving"];
    const status = planStatus(view(set, pods), 0, 1);
    expect(status).toEqual({
      observedGeneration: 4,
      replicas: 4,
      readyReplicas: 3,
      availableReplicas: 2,
      currentReplicas: 1,
      updatedReplicas: 1,
      currentRevision: "old",
      updateRevision: "new",
      collisionCount: 0,
    });
    expect(statusChanged({ ...status }, status)).toBe(false);
    expect(statusChanged({ ...status, currentRevision: "" }, status)).toBe(true);
  });

  test("an update that is complete makes its revision the current one", () => {
    expect(planStatus(view(statefulSet(), ALL), 0, 0)).toMatchObject({
      currentReplicas: 3,
      currentRevision: "new",
    });
    const onDelete = statefulSet({ updateStrategy: { type: "OnDelete" } });
    expect(planStatus(view(onDelete, ALL), 0, 0)).toMatchObject({
      currentReplicas: 0,
      currentRevision: "old",
    });
  });
});

test("revisions beyond the limit go, but not those of pods or of the status", () => {
  const set = statefulSet({ revisionHistoryLimit: 1 });
  const old = ["a", "b", "live", "old", "c"].map((name, place) => revision(name, place));
  const history = { current: revision("new", 9), number: 9, old, duplicates: [] };
  const surplus = surplusRevisions(view(set, ["0:live"]), history);
  expect(surplus.map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
});
