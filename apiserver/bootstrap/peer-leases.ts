import { PLAIN } from "@raft2kube/encryption/value-encryption.ts";
import { PEER_LEASE_S } from "../limits.ts";
import { REGISTRY_ROOT } from "../storage/keys.ts";
import { Rows } from "../storage/rows.ts";
import type { BootstrapServer } from "./server.ts";

/**
 * Upstream's place: every apiserver keeps a key with its address here, which ends with its lease.
 */
const PREFIX = `${REGISTRY_ROOT}/masterleases/`;

/** The leases by which apiservers find each other through the store. */
export class PeerLeases {
  readonly #server: BootstrapServer;
  readonly #rows: Rows;
  #lease: bigint | undefined;

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#rows = new Rows(server.etcd, PLAIN, server.metrics.stored("apiServerIPInfo"));
  }

  get #key(): string {
    return PREFIX + this.#server.options.advertiseAddress;
  }

  /** Says that this server is alive. */
  async renew(): Promise<void> {
    const { etcd, options } = this.#server;
    if (this.#lease !== undefined) {
      const { TTL } = await etcd.leaseKeepAlive({ ID: this.#lease });
      if (TTL > 0) return;
    }
    const { ID } = await etcd.leaseGrant({ TTL: PEER_LEASE_S });
    const subsets = [{ addresses: [{ ip: options.advertiseAddress }] }];
    const value = { kind: "Endpoints", apiVersion: "v1", metadata: {}, subsets };
    const bytes = Buffer.from(JSON.stringify(value));
    await etcd.put({ key: Buffer.from(this.#key), value: bytes, lease: ID });
    this.#lease = ID;
  }

  /** The addresses of all apiservers that are alive, sorted. */
  async addresses(): Promise<string[]> {
    const { rows } = await this.#rows.page(PREFIX, { limit: 0 });
    return rows.map((row) => row.key.slice(PREFIX.length)).sort();
  }

  /** This server goes; its key goes with its lease. */
  async leave(): Promise<void> {
    if (this.#lease === undefined) return;
    await this.#server.etcd.leaseRevoke({ ID: this.#lease });
    this.#lease = undefined;
  }
}
