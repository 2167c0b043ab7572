import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { formatMicroTime } from "@raft2kube/api/time.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { randomSuffix } from "@raft2kube/std/random.ts";
import type { Resources } from "../resource/resources.ts";
import { createObject } from "./create.ts";
import { decoded, internalWrite } from "./internal-write.ts";
import type { Writer } from "./writer.ts";

const log = logger("apiserver");

/** Random characters at the end of an Event's name. */
const NAME_CHARS = 16;

/** A warning about an object as it is stored. */
export interface Warning {
  readonly about: KubeObject;
  readonly reason: string;
  readonly message: string;
}

/**
 * Records Events of the server's own controllers. An Event that cannot be written is logged: the
 * repair that it reports is done in any case.
 */
export class InternalEvents {
  readonly #writer: Writer & { readonly resources: Resources };
  readonly #reporter: string;
  readonly #action: string;

  /** `reporter` is the controller's name, `action` what it was about to do. */
  constructor(writer: Writer & { resources: Resources }, reporter: string, action: string) {
    this.#writer = writer;
    this.#reporter = reporter;
    this.#action = action;
  }

  async warn({ about, reason, message }: Warning): Promise<void> {
    const { apiVersion = "", kind = "", metadata } = about;
    const { resources, clock, random } = this.#writer;
    const { namespace = "default", name = "", uid = "", resourceVersion = "" } = metadata;
    const now_ms = clock.now();
    const seconds = Math.floor(now_ms / 1_000);
    const nanos = Math.floor((now_ms - seconds * 1_000) * 1e6);
    const event: Event = {
      metadata: { namespace, name: `${name}.${randomSuffix(random, NAME_CHARS)}` },
      involvedObject: {
        apiVersion,
        kind,
        name,
        uid,
        resourceVersion,
        ...(metadata.namespace === undefined ? {} : { namespace }),
      },
      type: "Warning",
      reason,
      message,
      eventTime: formatMicroTime({ seconds, nanos }),
      action: this.#action,
      reportingComponent: this.#reporter,
      reportingInstance: this.#reporter,
    };
    const resource = resources.of("v1", "events");
    try {
      const object = decoded(resource, event);
      await createObject(this.#writer, resource, object, namespace, internalWrite());
    } catch (thrown) {
      log.warn("an event was not written", { reason, message, error: messageOf(thrown) });
    }
  }
}
