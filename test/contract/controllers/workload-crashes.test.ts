// Takes turns, controllers that die: see job-crashes.test.ts.

import type { ControllerRevision, ReplicaSet, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONTROLLER_REVISIONS,
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { CronFixture } from "./cron-fixture.ts";
import { startDying } from "./dying-controllers.ts";
import { type FaultCase, faultRules } from "./fault-rules.ts";
import {
  type Counted,
  imagesOf,
  TIMEOUT_MS,
  templateOf,
  templatePatch,
  WorkloadFixture,
} from "./workload-fixture.ts";

const FIXTURE = "crashes";
const namespace = "default";

/** A kind whose objects have pods, and the life of one of them: made, then changed once. */
interface PodKind extends Pick<FaultCase, "kind" | "controllers" | "reads" | "writes_min"> {
  readonly type: ResourceType;
  spec(name: string): object;
  readonly status: object;
  change(name: string): object;
  readonly changed: object;
  /** The images of the pods at the end. */
  readonly images: readonly string[];
  /** How many pods were made in all, and of how many identities. */
  readonly made: number;
  readonly identities: number;
  readonly revisions: readonly number[];
}

const selector = (name: string) => ({ matchLabels: { app: name } });
const template = (name: string) => templateOf(FIXTURE, name, "c:1");
const update = (name: string) => ({ template: templatePatch(FIXTURE, name, "c:2") });
/** Two pods, each made once and once more for the update. */
const UPDATED = { change: update, images: ["c:2", "c:2"], made: 4, revisions: [1, 2] };
const daemons = { numberAvailable: 2, updatedNumberScheduled: 2 };
const members = { readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2 };
const replicas = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

const POD_KINDS: PodKind[] = [
  {
    kind: "daemon",
    type: DAEMON_SETS,
    controllers: ["daemonset-controller"],
    reads: ["pods", "controllerrevisions", "daemonsets"],
    writes_min: 9,
    spec: (name) => ({ selector: selector(name), template: template(name) }),
    status: daemons,
    changed: daemons,
    identities: 2,
    ...UPDATED,
  },
  {
    kind: "stateful",
    type: STATEFUL_SETS,
    controllers: ["statefulset-controller"],
    reads: ["pods", "controllerrevisions", "statefulsets"],
    writes_min: 9,
    spec: (name) => ({
      replicas: 2,
      serviceName: name,
      selector: selector(name),
      template: template(name),
    }),
    status: members,
    changed: members,
    identities: 2,
    ...UPDATED,
  },
  {
    kind: "deployment",
    type: DEPLOYMENTS,
    controllers: ["deployment-controller", "replicaset-controller"],
    reads: ["pods", "replicasets", "deployments"],
    writes_min: 12,
    spec: (name) => ({ replicas: 2, selector: selector(name), template: template(name) }),
    status: replicas,
    changed: replicas,
    identities: 4,
    ...UPDATED,
  },
  {
    kind: "replication",
    type: REPLICATION_CONTROLLERS,
    controllers: ["replicationcontroller-controller"],
    reads: ["pods", "replicationcontrollers"],
    writes_min: 6,
    spec: (name) => ({ replicas: 3, selector: { app: name }, template: template(name) }),
    status: { replicas: 3, availableReplicas: 3 },
    change: () => ({ replicas: 1 }),
    changed: { replicas: 1, availableReplicas: 1 },
    images: ["c:1"],
    made: 3,
    identities: 3,
    revisions: [],
  },
];

let plane: ControlPlane;
let nodes: WorkloadFixture<StatefulSet>;
let pods: Informer<Pod>;
let jobs: Informer<Job>;
const cron = new CronFixture(() => plane);
/** Identities of all pods and jobs that an object ever had, in the order of their making. */
const made = new Map<string, string[]>();
/** Pods that were made while another of their identity was there and not being deleted. */
const doubled: string[] = [];

const cases: FaultCase[] = [
  ...POD_KINDS.map(caseOf),
  {
    kind: "cron",
    controllers: ["cronjob-controller"],
    reads: ["cronjobs", "jobs"],
    writes_min: 8,
    play: startTwice,
    check: checkStarts,
    remove: removeCronJobs,
  },
];

beforeAll(async () => {
  const others = cases.flatMap(({ controllers }) => controllers).map((name) => `-${name}`);
  plane = await startControlPlane({ controllers: ["*", ...others] });
  nodes = new WorkloadFixture(plane, STATEFUL_SETS);
  await nodes.start(FIXTURE, ["n1", "n2"]);
  const { clock } = plane;
  pods = new Informer<Pod>({ resource: nodes.podClient, clock });
  pods.handle({ added: notePod });
  jobs = new Informer<Job>({ resource: cron.jobClient, clock });
  jobs.handle({ added: (job) => note(controllerOf(job)?.name ?? "", job.metadata.name ?? "") });
  for (const informer of [pods, jobs]) {
    informer.start();
    await informer.synced;
  }
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await jobs.close();
  await nodes.close();
  await plane.close();
}, TIMEOUT_MS);

function note(owner: string, identity: string): void {
  made.set(owner, [...(made.get(owner) ?? []), identity]);
}

const appOf = ({ metadata }: Pod) => metadata.labels?.["app"] ?? "";

/** A daemon's identity is its node, as its affinity has it; another pod's is its name. */
function identityOf(pod: Pod): string {
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const node = terms?.nodeSelectorTerms[0]?.matchFields?.[0]?.values?.[0];
  return `${appOf(pod)} ${node ?? pod.metadata.name}`;
}

function notePod(pod: Pod): void {
  const identity = identityOf(pod);
  note(appOf(pod), identity);
  const others = pods.store
    .list()
    .filter(
      (each) =>
        identityOf(each) === identity &&
        !each.metadata.deletionTimestamp &&
        each.metadata.uid !== pod.metadata.uid,
    );
  if (others.length > 0) doubled.push(identity);
}

async function podsOf(app: string): Promise<Pod[]> {
  return (await nodes.podClient.list({ namespace, labelSelector: `app=${app}` })).items;
}

/** The numbers of the revisions that an object has, in their order. */
async function revisionsOf(name: string): Promise<number[]> {
  const { admin } = plane;
  const own = await admin.resource(CONTROLLER_REVISIONS).list({ namespace });
  const sets = await admin.resource(REPLICA_SETS).list({ namespace });
  const isOwn = (object: ControllerRevision | ReplicaSet) => controllerOf(object)?.name === name;
  return [
    ...own.items.filter(isOwn).map(({ revision }) => revision),
    ...sets.items
      .filter(isOwn)
      .map(({ metadata }) => Number(metadata.annotations?.["deployment.kubernetes.io/revision"])),
  ].sort();
}

function caseOf(shape: PodKind): FaultCase {
  const fixture = () => new WorkloadFixture(plane, shape.type as ResourceType<Counted>);
  return {
    ...shape,
    async play(name) {
      await fixture().create(name, shape.spec(name));
      await fixture().status(name, shape.status);
      await fixture().patch(name, shape.change(name));
      await fixture().status(name, shape.changed);
    },
    async check(name, when) {
      const left = (await podsOf(name)).filter(({ metadata }) => !metadata.deletionTimestamp);
      expect(imagesOf(left), when).toEqual(shape.images);
      const identities = made.get(name) ?? [];
      expect(identities, when).toHaveLength(shape.made);
      expect(new Set(identities).size, when).toBe(shape.identities);
      expect(await revisionsOf(name), when).toEqual(shape.revisions);
      expect(
        doubled.filter((identity) => identity.startsWith(`${name} `)),
        when,
      ).toEqual([]);
    },
    async remove(name) {
      await fixture().delete(name, "Background");
      await fixture().until(
        `nothing left of ${name}`,
        async () => (await podsOf(name)).length === 0 && (await revisionsOf(name)).length === 0,
      );
    },
  };
}

/** CronJobs that start twice, by how many of the two jobs are there afterwards. */
const POLICIES = { Allow: 2, Replace: 1 } as const;
const cronNames = (name: string) =>
  (["Allow", "Replace"] as const).map((policy) => ({
    policy,
    cronName: `${name}-${policy.toLowerCase()}`,
    left: POLICIES[policy],
  }));

async function startTwice(name: string): Promise<void> {
  await Promise.all(
    cronNames(name).map(async ({ policy, cronName, left }) => {
      const { uid } = await cron.startTwice(cronName, policy);
      await cron.status(
        cronName,
        ({ active = [] } = {}) => active.length === left && active.some((job) => job.uid !== uid),
      );
      await cron.until(
        `both jobs of ${cronName} in the cache`,
        async () => (made.get(cronName) ?? []).length >= 2,
      );
    }),
  );
}

/** Each of the two starts made one job: none was missed, none made twice. */
async function checkStarts(name: string, when: string): Promise<void> {
  for (const { cronName, left } of cronNames(name)) {
    const starts = made.get(cronName) ?? [];
    expect(starts, when).toHaveLength(2);
    expect(new Set(starts).size, when).toBe(2);
    expect(await cron.jobs(cronName), when).toHaveLength(left);
  }
}

async function removeCronJobs(name: string): Promise<void> {
  const fixture = new WorkloadFixture<Counted>(plane, CRON_JOBS);
  for (const { cronName } of cronNames(name)) {
    await fixture.delete(cronName, "Background");
    await cron.until(
      `no jobs of ${cronName}`,
      async () => (await cron.jobs(cronName)).length === 0,
    );
  }
}

faultRules(() => plane, cases);

test.each(cases.filter(({ kind }) => kind === "stateful" || kind === "cron"))(
  "two controllers at once make nothing twice: $kind",
  async ({ kind, controllers, play, check, remove }) => {
    const both = await Promise.all(
      [1, 2].map(() => startDying(plane, Infinity, { controllers: [...controllers] })),
    );
    await play(`${kind}-both`);
    await check(`${kind}-both`, "by two at once");
    await remove(`${kind}-both`);
    await Promise.all(both.map((each) => each.close()));
  },
  TIMEOUT_MS,
);
