import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";

/** The first patch releases whose progress notices never run ahead of events (etcd #15220). */
const SOUND_PATCHES: Readonly<Record<string, number>> = { "3.4": 31, "3.5": 13 };

/**
 * Whether the store can prove by a progress notice that a watch has seen everything. Asked once;
 * with an older etcd, which cannot, reads of the newest state go to the store itself.
 */
export class ProgressProof {
  readonly #etcd: EtcdClient;
  #known: boolean | undefined;

  constructor(etcd: EtcdClient) {
    this.#etcd = etcd;
  }

  async holds(): Promise<boolean> {
    this.#known ??= isSound((await this.#etcd.status()).version);
    return this.#known;
  }
}

/** Whether progress notices can be trusted, by the version that the store reports: `3.6.4`. */
export function isSound(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const least = SOUND_PATCHES[`${major}.${minor}`];
  return least === undefined ? major > 3 || (major === 3 && minor > 5) : patch >= least;
}
