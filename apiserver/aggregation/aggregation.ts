import type { Random } from "@raft2kube/std/random.ts";
import { LASTING_OF_USER_MAX } from "../limits.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Resources } from "../resource/resources.ts";
import { Connections } from "../webhook/connections.ts";
import { ServiceEndpoints } from "../webhook/services.ts";
import { ApiServices } from "./api-services.ts";
import { Availability, type AvailabilityServer } from "./availability-controller.ts";
import { Backends } from "./backends.ts";
import { AggregationProxy } from "./proxy.ts";

interface AggregationParts {
  readonly options: Pick<ApiserverOptions, "proxyClient" | "requestHeader" | "services">;
  readonly resources: Resources;
  readonly random: Random;
  readonly closing: AbortSignal;
}

/** The APIs of other servers that this one shows as its own: those of remote APIServices. */
export class Aggregation {
  readonly services: ApiServices;
  readonly backends: Backends;
  readonly proxy: AggregationProxy;
  readonly #connections: Connections;

  private constructor(parts: AggregationParts, services: ApiServices) {
    const { options, resources, random, closing } = parts;
    const resolver = options.services ?? new ServiceEndpoints(resources, random);
    const bounds = { client: options.proxyClient, connections_max: LASTING_OF_USER_MAX };
    this.#connections = new Connections(resolver, bounds);
    this.services = services;
    this.backends = new Backends(this.#connections, closing);
    this.proxy = new AggregationProxy(services, this.backends, closing, options.requestHeader);
  }

  /** Reads the APIServices; resolves when requests can be answered. */
  static async follow(parts: AggregationParts): Promise<Aggregation> {
    return new Aggregation(parts, await ApiServices.follow(parts.resources));
  }

  /** Starts what keeps the APIServices' conditions. */
  start(server: AvailabilityServer): Availability {
    return new Availability(server, this.services, this.backends);
  }

  close(): void {
    this.services.close();
    this.#connections.close();
  }
}
