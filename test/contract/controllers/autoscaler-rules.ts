import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  DEPLOYMENTS,
  EVENTS,
  HORIZONTAL_POD_AUTOSCALERS,
  PODS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expositionText } from "../../../testing/apiserver/fake-kubelet.ts";
import { inTurn } from "../../../testing/drawn.ts";
import { waitFor } from "../../../testing/wait.ts";
import { AUTOSCALER_CASES, type AutoscalerCase, type Use } from "./autoscaler-cases.ts";
import type { ControlPlane } from "./control-plane.ts";

type Subject = Pick<ControlPlane, "admin" | "clock">;

const TIMEOUT_MS = 150_000;
const namespace = "default";
const NODE = { cpu_s: 1e4, memory_bytes: 2 ** 30 };
const USE_LABEL = "use";

/** The metrics of a kubelet whose pods use what the case of their label says. */
export class PodUses {
  readonly #pods: Informer<Pod>;
  readonly #clock: Subject["clock"];

  constructor({ admin, clock }: Subject) {
    this.#clock = clock;
    this.#pods = new Informer<Pod>({ resource: admin.resource(PODS), clock });
    this.#pods.start();
  }

  text(): string {
    const now_ms = this.#clock.now();
    const containers = [...this.#pods.store.list()].flatMap((pod) => this.#of(pod, now_ms));
    return expositionText(now_ms, NODE, containers);
  }

  #of(pod: Pod, now_ms: number) {
    const { namespace: space = "", name = "", labels } = pod.metadata;
    const use = uses[Number(labels?.[USE_LABEL])];
    return pod.spec.containers.flatMap(({ name: container }) => {
      const { cores = 0, bytes = 2 ** 20 } = use?.[container as keyof Use] ?? {};
      // The same rate at any time: a counter that grows with the clock.
      const cpu_s = (now_ms / 1e3) * cores;
      return [{ namespace: space, pod: name, container, cpu_s, memory_bytes: bytes }];
    });
  }

  close(): Promise<void> {
    return this.#pods.close();
  }
}

/** The first case is also a rival's; others take turns: each is looked at every second. */
const OTHERS_JUDGED = 5;
const [first, ...others] = Object.entries(AUTOSCALER_CASES);
const cases = [first!, ...inTurn("autoscalers", others, OTHERS_JUDGED)];
const uses = cases.map(([, each]) => each.use);

/** The rules of every autoscaler controller; all cases run concurrently. */
export function autoscalerRules(subject: () => Subject): void {
  const autoscalers = () => subject().admin.resource(HORIZONTAL_POD_AUTOSCALERS);
  const deployments = () => subject().admin.resource(DEPLOYMENTS);
  const until = (what: string, holds: () => Promise<boolean>) =>
    waitFor(what, holds, { timeout_ms: TIMEOUT_MS, interval_ms: 500 });

  beforeAll(async () => {
    for (const [index, [, each]] of cases.entries()) {
      await deployments().create(deploymentOf(index, each));
    }
    await until("all pods run", async () => {
      const { items } = await deployments().list({ namespace });
      return items.every(({ spec, status }) => (status?.readyReplicas ?? 0) === spec.replicas);
    });
    for (const [index, [, each]] of cases.entries()) {
      await autoscalers().create(autoscalerOf(index, each));
    }
  });

  it.each(cases.map(([name, each], index) => [name, index, each] as const))(
    "%s",
    async (_name, index, { ends, conditions, says = {}, events = [], metrics }) => {
      const name = nameOf(index);
      const shown = { replicas: -1, conditions: [] as string[] };
      try {
        await until(name, async () => {
          shown.replicas = (await deployments().get({ namespace, name })).spec.replicas ?? 0;
          const { status } = await autoscalers().get({ namespace, name });
          shown.conditions = (status?.conditions ?? []).map(
            (each) => `${each.type} ${each.status} ${each.reason}`,
          );
          return shown.replicas === ends && shown.conditions.join() === conditions.join();
        });
      } catch (thrown) {
        expect(shown).toEqual({ replicas: ends, conditions });
        throw thrown;
      }
      const { status } = await autoscalers().get({ namespace, name });
      for (const [type, words] of Object.entries(says)) {
        expect(status?.conditions?.find((each) => each.type === type)?.message).toContain(words);
      }
      if (metrics) expect(status?.currentMetrics).toEqual(metrics);
      for (const words of events) {
        await until(words, async () =>
          (await eventsOf(subject(), name)).some((each) => each.startsWith(words)),
        );
      }
    },
  );

  ambiguousRule(autoscalers, until);
  targetRules(subject, until);

  afterAll(async () => {
    await autoscalers().deleteCollection({ namespace });
    await deployments().deleteCollection({ namespace });
  });
}

type Until = (what: string, holds: () => Promise<boolean>) => Promise<unknown>;

function ambiguousRule(
  autoscalers: () => ResourceClient<HorizontalPodAutoscaler>,
  until: Until,
): void {
  it(
    "pods that two autoscalers select are scaled by neither",
    async () => {
      const second = autoscalerOf(0, cases[0]![1]);
      await autoscalers().create({ ...second, metadata: { namespace, name: "rival" } });
      for (const name of [nameOf(0), "rival"]) {
        let said = "";
        await until(`${name} is ambiguous`, async () => {
          const { status } = await autoscalers().get({ namespace, name });
          const active = status?.conditions?.find(({ type }) => type === "ScalingActive");
          said = active?.message ?? "";
          return active?.reason === "AmbiguousSelector";
        });
        expect(said.replace("rival default/hpa-0", "hpa-0 default/rival")).toBe(
          "pods by selector app=hpa-0 are controlled by multiple HPAs: " +
            "[default/hpa-0 default/rival]",
        );
      }
      await autoscalers().delete({ namespace, name: "rival" });
      await until("one alone scales again", async () => {
        const { status } = await autoscalers().get({ namespace, name: nameOf(0) });
        return status?.conditions?.some(({ reason }) => reason === "ValidMetricFound") ?? false;
      });
    },
    3 * TIMEOUT_MS,
  );
}

const TARGETS: readonly [ResourceType, apiVersion: string][] = [
  [REPLICA_SETS, "apps/v1"],
  [STATEFUL_SETS, "apps/v1"],
  [REPLICATION_CONTROLLERS, "v1"],
];

/** Rules that every kind with a `/scale` is scaled: here by the autoscaler's bounds alone. */
function targetRules(subject: () => Subject, until: Until): void {
  it.each(TARGETS)("scales $plural", async (type, apiVersion) => {
    const { kind = "", plural } = type;
    const { admin } = subject();
    const labels = { app: plural };
    const selector = kind === "ReplicationController" ? labels : { matchLabels: labels };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: "web", image: "web:1" }] },
    };
    const resource = admin.resource(type as ResourceType<Scalable>);
    const metadata = { namespace, name: plural };
    await resource.create({ metadata, spec: { replicas: 2, selector, template } } as Scalable);
    await admin
      .resource(HORIZONTAL_POD_AUTOSCALERS)
      .create({
        metadata,
        spec: { scaleTargetRef: { apiVersion, kind, name: plural }, maxReplicas: 1 },
      });
    await until(`one of ${plural}`, async () => (await resource.get(metadata)).spec.replicas === 1);
    await resource.delete(metadata);
  });
}

type Scalable = KubeObject & { spec: { replicas?: number } };

const nameOf = (index: number) => `hpa-${index}`;

function deploymentOf(index: number, { replicas, requests }: AutoscalerCase): Deployment {
  const labels = { app: nameOf(index) };
  const resources = { requests: requests ?? { cpu: "100m", memory: "100Mi" } };
  const containers = ["web", "side"].map((name) => ({ name, image: "web:1", resources }));
  return {
    metadata: { namespace, name: nameOf(index) },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...labels, [USE_LABEL]: String(index) } },
        spec: { containers },
      },
    },
  };
}

function autoscalerOf(index: number, { spec }: AutoscalerCase): HorizontalPodAutoscaler {
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: nameOf(index) };
  return {
    metadata: { namespace, name: nameOf(index) },
    spec: { scaleTargetRef, maxReplicas: 10, ...spec },
  };
}

async function eventsOf({ admin }: Subject, name: string): Promise<string[]> {
  const fieldSelector = `involvedObject.name=${name},involvedObject.kind=HorizontalPodAutoscaler`;
  const { items } = await admin.resource(EVENTS).list({ namespace, fieldSelector });
  return items.map(({ reason, message }) => `${reason}: ${message}`);
}
