// A controller for the Websites of crd.yaml: a Deployment and a Service for each, and its status.
//   node examples/website/controller.ts KUBECONFIG
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf, controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DEPLOYMENTS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { systemClock } from "@raft2kube/std/clock.ts";

/** The kind, as crd.yaml defines it. */
export interface Website extends KubeObject {
  spec: { greeting: string; replicas: number };
  status?: {
    replicas: number;
    readyReplicas: number;
    selector: string;
    address: string;
    observedGeneration: number;
  };
}

const TYPE = { apiVersion: "example.raft2kube.dev/v1", kind: "Website" };
export const WEBSITES = {
  group: "example.raft2kube.dev",
  version: "v1",
  plural: "websites",
  namespaced: true,
  kind: "Website",
};
const APPLY = { fieldManager: "website-controller", force: true };
const PORT = 8080;

/** Plans the objects of a website. Pure. */
export function planWebsite(site: Website) {
  const { name = "", namespace } = site.metadata;
  const labels = { website: name };
  const owned = { name, namespace, labels, ownerReferences: [controllerReference(site, TYPE)] };
  const env = [{ name: "GREETING", value: site.spec.greeting }];
  const container = {
    name: "web",
    image: "r2k.local/web:1",
    env,
    ports: [{ containerPort: PORT }],
    readinessProbe: { httpGet: { path: "/", port: PORT }, periodSeconds: 1 },
  };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  const { replicas } = site.spec;
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: owned,
    spec: { replicas, selector: { matchLabels: labels }, template },
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: owned,
    spec: { selector: labels, ports: [{ port: 80, targetPort: PORT }] },
  };
  return { deployment, service };
}

/** Returns what a website's status should say. Pure. */
export function planStatus(site: Website, deployment?: Deployment, service?: Service) {
  const { replicas = 0, readyReplicas = 0 } = deployment?.status ?? {};
  const { name = "", generation: observedGeneration = 0 } = site.metadata;
  const address = service?.spec?.clusterIP ?? "";
  return { replicas, readyReplicas, selector: `website=${name}`, address, observedGeneration };
}

/** Runs the controller until `close`. */
export function startWebsites(client: KubeClient) {
  const informers = new InformerSet(client);
  const websites = informers.of<Website>(WEBSITES);
  const deployments = informers.of(DEPLOYMENTS);
  const services = informers.of(SERVICES);
  const queue = new WorkQueue({ clock: client.clock, workers: 2 });
  const reconcile = async (key: string) => {
    const site = websites.store.get(key);
    if (site === undefined || site.metadata.deletionTimestamp) return;
    const { deployment, service } = planWebsite(site);
    await client.resource(DEPLOYMENTS).patch(nameOf(site), "apply", deployment, APPLY);
    await client.resource(SERVICES).patch(nameOf(site), "apply", service, APPLY);
    const status = planStatus(site, deployments.store.get(key), services.store.get(key));
    if (isDeepStrictEqual(status, site.status)) return;
    const patch = { ...TYPE, status };
    await client
      .resource<Website>(WEBSITES)
      .patch({ ...nameOf(site), subresource: "status" }, "apply", patch, APPLY);
  };
  const follow = <T extends KubeObject>(informer: Informer<T>, key: (object: T) => string) => {
    const changed = (object: T) => queue.add(key(object));
    informer.handle({ added: changed, updated: changed, deleted: changed });
  };
  follow(websites, keyOf);
  const ownerOf = (object: KubeObject) =>
    `${object.metadata.namespace ?? ""}/${controllerOf(object)?.name ?? ""}`;
  follow(deployments, ownerOf);
  follow(services, ownerOf);
  informers.start();
  const ready = Promise.race([informers.synced(), informers.closed]);
  const working = ready.then(() => runWorkers("website", queue, reconcile));
  return {
    async close() {
      queue.close();
      await informers.close();
      await working;
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const connection = await kubeConnection(process.argv[2] ?? process.env["KUBECONFIG"] ?? "");
  const client = new KubeClient({ ...connection, clock: systemClock() });
  const controller = startWebsites(client);
  process.once("SIGINT", () => void controller.close().finally(() => client.close()));
}
