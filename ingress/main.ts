import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DataPlane, type DataPlaneOptions } from "./haproxy/data-plane.ts";
import { IngressLoop } from "./loop.ts";
import { type Pair, pairOf } from "./plan/certificates.ts";

export interface IngressOptions extends Pick<DataPlaneOptions, "dir" | "haproxy"> {
  /** An identity with the rights of `cli/addons/ingress/10-ingress.yaml`; closed by the caller. */
  readonly client: KubeClient;
  readonly controller: string;
  readonly service: string;
  readonly ports: { readonly http: number; readonly https: number };
  readonly clock: Clock;
}

/** The name of this controller in IngressClasses, unless it is started under another. */
export const CONTROLLER = "r2k.io/ingress";
const FALLBACK_DAYS = 3_650;

/** Serves Ingresses with the haproxy that shares a folder with this program. */
export async function startIngress(
  options: IngressOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  const { client, dir, haproxy, clock, controller, service, ports } = options;
  const informers = new InformerSet(client, clock);
  const recorder = new EventRecorder({ client, component: "ingress", clock });
  const dataPlane = new DataPlane({ dir, haproxy, clock });
  const loop = new IngressLoop({
    informers, dataPlane, recorder, controller, service, ports, clock,
    fallback: await fallbackPair(clock),
    log: logger("ingress"),
  });
  loop.start();
  return {
    ready: loop.ready,
    async close() {
      await loop.close();
      await informers.close();
      await recorder.close();
    },
  };
}

/**
 * Writes a configuration without a port, so that haproxy can start: it is ready when the first plan
 * is in force.
 */
export async function prepareDataPlane(options: DataPlaneOptions): Promise<void> {
  await new DataPlane(options).prepare({ frontends: [], backends: new Map() });
}

/** A certificate of its own, for clients that ask for no name that has one. */
async function fallbackPair(clock: Clock): Promise<Pair> {
  const dnsNames = ["ingress.invalid"];
  const request = { commonName: "raft2kube ingress", dnsNames, days: FALLBACK_DAYS };
  const { cert, key } = await createCa({ ...request, now_ms: clock.now() });
  const pair = pairOf(cert, key);
  assert(!("problem" in pair), "its own certificate is refused");
  return pair;
}
