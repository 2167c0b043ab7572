import { createCa } from "@raft2kube/pki/certificate.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DataPlane, type DataPlaneOptions } from "./haproxy/data-plane.ts";
import { type IngressOptions, startIngressLoop } from "./loop.ts";
import { pairOf } from "./plan/certificates.ts";
import type { Pair } from "./plan/model.ts";

/** The name of this controller in IngressClasses, unless it is started under another. */
export const CONTROLLER = "r2k.io/ingress";
const FALLBACK_DAYS = 3_650;

/** Serves Ingresses with the haproxy that shares a folder with this program. */
export async function startIngress(options: IngressOptions) {
  return startIngressLoop(options, await fallbackPair(options.clock));
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
  return pairOf(cert, key);
}
