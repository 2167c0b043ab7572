import type { Endpoints as CoreEndpoints } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { PEER_INTERVAL_MS } from "../limits.ts";
import { type Controller, periodic } from "../periodic.ts";
import { changeInternally, decoded, ensure } from "../registry/internal-write.ts";
import { firstServiceAddress } from "../registry/services/service-cidr.ts";
import { PeerLeases } from "./peer-leases.ts";
import type { BootstrapServer } from "./server.ts";

const log = logger("apiserver");

const NAMESPACE = "default";
const NAME = "kubernetes";
const PORT = { name: "https", protocol: "TCP" } as const;

type Endpoints = CoreEndpoints & KubeObject;
type Slice = EndpointSlice & KubeObject;

/** Keeps the Service by which pods reach the API, and where it leads: to all apiservers alive. */
export class KubernetesService implements Controller {
  readonly #server: BootstrapServer;
  readonly #peers: PeerLeases;
  readonly #mending: Runner;

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#peers = new PeerLeases(server);
    this.#mending = periodic(
      server.clock,
      "the Service kubernetes was not mended",
      PEER_INTERVAL_MS,
      () => this.#reconcile(),
      PEER_INTERVAL_MS,
    );
  }

  /**
   * Makes it now, and mends it from time to time. An advertised address that no Endpoints may have,
   * such as one of the loopback range, is logged, and the server starts, as upstream's does.
   */
  async start(): Promise<void> {
    try {
      await this.#reconcile();
    } catch (thrown) {
      if (!isReason(thrown, "Invalid")) throw thrown;
      const remedy = "pods cannot reach the API: give --advertise-address one that they reach";
      log.error("the Service kubernetes leads nowhere", { reason: messageOf(thrown), remedy });
    }
    this.#mending.request(PEER_INTERVAL_MS);
  }

  async #reconcile(): Promise<void> {
    await this.#peers.renew();
    const service = serviceObject(this.#server);
    await ensure(this.#server, this.#server.resources.of("v1", "services"), service);
    await this.#publish(await this.#peers.addresses());
  }

  async #publish(addresses: readonly string[]): Promise<void> {
    const port = apiPort(this.#server);
    await put(this.#server, "v1", "endpoints", endpointsObject(addresses, port));
    await put(this.#server, "discovery.k8s.io/v1", "endpointslices", sliceObject(addresses, port));
  }

  /** Leads clients to the other servers; the last one leaves its address behind. */
  async leave(): Promise<void> {
    await this.#mending.close();
    try {
      await this.#peers.leave();
      const others = await this.#peers.addresses();
      if (others.length > 0) await this.#publish(others);
    } catch (thrown) {
      // The store may be gone before us; the lease ends by itself.
      log.warn("leaving without saying so", { reason: messageOf(thrown) });
    }
  }

  /** `leave` has done it, unless the server did not come to it. */
  async close(): Promise<void> {
    await this.#mending.close();
  }
}

function apiPort(server: BootstrapServer): number {
  return server.options.advertisePort ?? (server.options.listen[0]?.port || 6443);
}

function serviceObject(server: BootstrapServer): KubeObject {
  const object: KubeObject & { spec: object } = {
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      clusterIP: firstServiceAddress(server.options.serviceCidr),
      ports: [{ ...PORT, port: 443, targetPort: apiPort(server) }],
      ipFamilyPolicy: "SingleStack",
      sessionAffinity: "None",
      type: "ClusterIP",
    },
  };
  return object;
}

function endpointsObject(addresses: readonly string[], port: number): Endpoints {
  // The slice is written here too: the mirroring controller must skip it.
  const labels = { "endpointslice.kubernetes.io/skip-mirror": "true" };
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ ...PORT, port }] }],
  };
}

function sliceObject(addresses: readonly string[], port: number): Slice {
  const labels = { "kubernetes.io/service-name": NAME };
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels },
    addressType: "IPv4",
    endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ ...PORT, port }],
  };
}

/** Creates the object, or replaces everything but the metadata of the one there. */
async function put(
  server: BootstrapServer,
  apiVersion: string,
  plural: string,
  wanted: KubeObject,
): Promise<void> {
  const resource = server.resources.of(apiVersion, plural);
  await ensure(server, resource, wanted);
  await changeInternally(server, resource, wanted.metadata, ({ metadata }) => ({
    ...decoded(resource, wanted),
    metadata,
  }));
}
