import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  DEPLOYMENTS,
  EVENTS,
  NAMESPACES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { PlaneAccess } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

/** Time limit of each rule, programs of others included. */
export const TIMEOUT_MS = 180_000;

const namespace = "budgets";
/** Pods run on the test's own kubelets, which it controls. */
const OURS = { "r2k.test/budgets": "yes" };

/** A namespace with budgets, and nodes on which pods get ready when they are let. */
export class BudgetFixture {
  readonly #plane: PlaneAccess;
  readonly #known = new Set<string>();
  #kubelets: HollowKubelet[] = [];
  /** New pods do not get ready. */
  holdsNew = false;
  /** Pods that are kept from getting ready. */
  readonly held = new Set<string>();
  readonly pods: ResourceClient<Pod>;
  readonly budgets: ResourceClient<PodDisruptionBudget>;

  constructor(plane: PlaneAccess) {
    this.#plane = plane;
    this.pods = plane.admin.resource(PODS);
    this.budgets = plane.admin.resource(POD_DISRUPTION_BUDGETS);
  }

  async start(): Promise<void> {
    const getsReady = ({ metadata }: Pod) => {
      const { name = "" } = metadata;
      // Pods that others put on every node are not held back.
      if (metadata.namespace !== namespace) return true;
      if (this.holdsNew && !this.#known.has(name)) this.held.add(name);
      this.#known.add(name);
      return !this.held.has(name);
    };
    const start = (name: string) =>
      startHollowKubelet(this.#plane, name, { getsReady, labels: OURS });
    this.#kubelets = await Promise.all(["b1", "b2"].map(start));
    const { admin } = this.#plane;
    await admin.resource(NAMESPACES).create({ metadata: { name: namespace }, spec: {} });
    const accounts = admin.resource(SERVICE_ACCOUNTS);
    await this.eventually("the account", () => accounts.get({ namespace, name: "default" }));
  }

  async close(): Promise<void> {
    for (const kubelet of this.#kubelets) await kubelet.close();
  }

  eventually<T>(what: string, probe: () => Promise<T>) {
    return waitFor(what, probe, { timeout_ms: TIMEOUT_MS / 2, interval_ms: 100 });
  }

  nameOf(name: string) {
    return { namespace, name };
  }

  /** Returns the specification of a pod of an app. */
  pod(app: string) {
    const containers = [{ name: "c", image: "i" }];
    return { metadata: { labels: { app } }, spec: { nodeSelector: OURS, containers } };
  }

  async deploy(name: string, replicas: number): Promise<void> {
    const selector = { matchLabels: { app: name } };
    await this.#plane.admin
      .resource(DEPLOYMENTS)
      .create({
        metadata: this.nameOf(name),
        spec: { replicas, selector, template: this.pod(name) },
      });
  }

  async scale(name: string, replicas: number): Promise<void> {
    const deployments = this.#plane.admin.resource(DEPLOYMENTS);
    await deployments.patch(this.nameOf(name), "merge", { spec: { replicas } });
  }

  async protect(name: string, spec: PodDisruptionBudget["spec"]): Promise<void> {
    const selector = { matchLabels: { app: name } };
    await this.budgets.create({ metadata: this.nameOf(name), spec: { selector, ...spec } });
  }

  /** Waits until a budget's status has these figures. */
  async counted(name: string, counts: object): Promise<void> {
    await this.eventually(`the count of ${name}`, async () => {
      const { status } = await this.budgets.get(this.nameOf(name));
      expect(status).toMatchObject(counts);
      return true;
    });
  }

  async podsOf(name: string): Promise<Pod[]> {
    return (await this.pods.list({ namespace, labelSelector: `app=${name}` })).items;
  }

  /** The HTTP code of an eviction. */
  async evict({ metadata: { name = "" } }: Pod): Promise<number> {
    const metadata = this.nameOf(name);
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata };
    try {
      await this.pods.createSubresource(metadata, "eviction", body);
      return 201;
    } catch (thrown) {
      if (thrown instanceof KubeError) return thrown.http;
      throw thrown;
    }
  }

  /** Waits for an event about an object. */
  async reported(about: string, reason: string): Promise<void> {
    await this.eventually(`the event ${reason}`, async () => {
      const { items } = await this.#plane.admin.resource(EVENTS).list({ namespace });
      return items.some(
        ({ involvedObject, reason: reported }) =>
          reported === reason && involvedObject.name === about,
      );
    });
  }

  /** Lets those get ready that were held. */
  async letGo(app: string): Promise<void> {
    this.holdsNew = false;
    const names = [...this.held];
    this.held.clear();
    // A kubelet looks at a pod when it changes.
    const touched = { metadata: { labels: { app, touched: "yes" } } };
    for (const name of names) await this.pods.patch(this.nameOf(name), "merge", touched);
  }
}
