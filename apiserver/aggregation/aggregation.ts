import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { AGGREGATED_IN_FLIGHT_MAX, AGGREGATED_LASTING_MAX } from "../limits.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Resources } from "../resource/resources.ts";
import { Connections } from "../webhook/connections.ts";
import { serviceEndpoints } from "../webhook/services.ts";
import { ApiServices } from "./api-services.ts";
import { Availability, type AvailabilityServer } from "./availability-controller.ts";
import { Backends } from "./backends.ts";
import { RemoteDocuments } from "./documents.ts";
import { AggregationProxy } from "./proxy.ts";

interface AggregationParts {
  readonly options: Pick<ApiserverOptions, "proxyClient" | "requestHeader" | "services">;
  readonly resources: Resources;
  readonly clock: Clock;
  readonly random: Random;
  readonly closing: AbortSignal;
}

/** The APIs of other servers that this one shows as its own: those of remote APIServices. */
export class Aggregation {
  readonly proxy: AggregationProxy;
  readonly documents: RemoteDocuments;
  readonly #services: ApiServices;
  readonly #backends: Backends;
  readonly #connections: readonly Connections[];
  #availability: Availability | undefined;

  private constructor(parts: AggregationParts, services: ApiServices) {
    const { options, resources, random, closing } = parts;
    const resolver = options.services ?? serviceEndpoints(resources, random);
    const client = options.proxyClient;
    const connections_max = AGGREGATED_LASTING_MAX + AGGREGATED_IN_FLIGHT_MAX;
    const passing = new Connections(resolver, { client, connections_max });
    const own = new Connections(resolver, { client });
    this.#connections = [passing, own];
    this.#services = services;
    this.#backends = new Backends(passing, own, closing);
    this.proxy = new AggregationProxy(services, this.#backends, closing, options.requestHeader);
    this.documents = new RemoteDocuments(parts.clock, services, this.#backends, closing);
  }

  /** Reads the APIServices; resolves when requests can be answered. */
  static async follow(parts: AggregationParts): Promise<Aggregation> {
    return new Aggregation(parts, await ApiServices.follow(parts.resources));
  }

  /** Starts what keeps the APIServices' conditions; closing this ends it. */
  start(server: AvailabilityServer): void {
    this.#availability = new Availability(server, this.#services, this.#backends);
  }

  /** Shows the servers another certificate from now on. */
  showAs(client: KeyPair): void {
    for (const each of this.#connections) each.showAs(client);
  }

  async close(): Promise<void> {
    await this.#availability?.close();
    await this.documents.close();
    this.#services.close();
    for (const each of this.#connections) each.close();
  }
}
