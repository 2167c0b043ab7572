import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { LEGACY_RECORD_AGAIN_MS, LEGACY_RECORD_CHECK_MS } from "../limits.ts";
import { type Controller, periodic } from "../periodic.ts";
import { changeInternally, ensure } from "../registry/internal-write.ts";
import type { Resource } from "../resource/resource.ts";
import type { BootstrapServer } from "./server.ts";

const NAME = "kube-apiserver-legacy-service-account-token-tracking";
const PLACE = { name: NAME, namespace: "kube-system" };
const DATE = /^\d{4}-\d\d-\d\d$/;

type Record = ConfigMap & KubeObject;

/**
 * Records since when this cluster tracks the use of tokens in Secrets: the cleaner must not treat a
 * token as unused that was used before.
 */
export class LegacyTokenRecord implements Controller {
  readonly #server: BootstrapServer;
  readonly #maps: Resource;
  readonly #recording: Runner;
  /** Servers that make it and others that take it away do not fight over it all the time. */
  #made_ms = Number.NEGATIVE_INFINITY;

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#maps = server.resources.of("v1", "configmaps");
    this.#recording = periodic(
      server.clock,
      "the record of legacy tokens was not made",
      LEGACY_RECORD_CHECK_MS,
      () => this.#round(),
    );
  }

  async start(): Promise<void> {
    await this.#round();
    this.#recording.request(LEGACY_RECORD_CHECK_MS);
  }

  async #round(): Promise<void> {
    const { clock } = this.#server;
    const found = await this.#maps.store.find<Record>(PLACE.namespace, NAME);
    const data = { since: new Date(clock.now()).toISOString().slice(0, 10) };
    if (found === undefined) {
      if (clock.monotonic() - this.#made_ms < LEGACY_RECORD_AGAIN_MS) return;
      const record: Record = { metadata: PLACE, data };
      await ensure(this.#server, this.#maps, record);
      this.#made_ms = clock.monotonic();
      return;
    }
    if (isDate(found.data?.["since"])) return;
    await changeInternally<Record>(this.#server, this.#maps, PLACE, (record) => ({
      ...record,
      data: { ...record.data, ...data },
    }));
  }

  close(): Promise<void> {
    return this.#recording.close();
  }
}

const isDate = (text: string | undefined): boolean =>
  text !== undefined && DATE.test(text) && !Number.isNaN(Date.parse(text));
