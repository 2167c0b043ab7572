import type { Container, Pod, Secret } from "@raft2kube/api/gen/core/v1.ts";
import type { Image } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import { IMAGE_PULL_TIMEOUT_MS, PULL_BACK_OFF_MS, PULL_BACK_OFF_MS_MAX } from "../limits.ts";
import { BackOffs } from "../pods/back-off.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { ReasonError } from "../pods/reason-error.ts";
import { credentialsFor, type PullCredential } from "./credentials.ts";
import { withDefaultTag } from "./image-name.ts";
import type { PulledImages } from "./pulled-images.ts";
import type { ReadyImage } from "./ready-image.ts";

/** The image is not available; `reason` is the container's waiting reason. */
export class ImageError extends ReasonError {
  override readonly name = "ImageError";
}

export interface ImagePullerOptions {
  runtime: Runtime;
  clock: Clock;
  events: PodEventSink;
  /** Records of the credentials that pulled each image. */
  pulled: PulledImages;
  /** The pod's pull secrets that exist. */
  pullSecrets(pod: Pod): Promise<Secret[]>;
}

/** Pulls images by each container's imagePullPolicy, with back-off for each pod and image. */
export class ImagePuller {
  readonly #options: ImagePullerOptions;
  readonly #backOffs: BackOffs;
  /** Time and message of the last failed pull, by pod and image. */
  readonly #failures = new Map<string, { failed_ms: number; message: string }>();

  constructor(options: ImagePullerOptions) {
    this.#options = options;
    const { clock } = options;
    this.#backOffs = new BackOffs({
      clock,
      first_ms: PULL_BACK_OFF_MS,
      most_ms: PULL_BACK_OFF_MS_MAX,
    });
  }

  /**
   * Returns the image, pulled if its policy requires it. Throws ImageError; records the events.
   * When `signal` aborts, rejects with the error of the cancelled pull.
   */
  async ensure(pod: Pod, container: Container, signal: AbortSignal): Promise<ReadyImage> {
    const { events } = this.#options;
    const named = container.image ?? "";
    const image = this.#referenceOf(pod, container, named);
    const present = await this.#present(pod, container, image);
    const policy = container.imagePullPolicy ?? defaultPolicy(image);
    const credentials = () => this.#credentials(pod, image);
    const verified =
      present &&
      policy !== "Always" &&
      !(await this.#options.pulled.mustPull(image, present.id, credentials));
    if (verified) {
      const text = `Container image "${named}" already present on machine`;
      events.record(pod, "Normal", "Pulled", text, container.name);
      return readyImage(present);
    }
    if (policy === "Never") {
      const text = present
        ? `Container image "${named}" is present with pull policy of Never, but does not have ` +
          "the proper credentials to access the image"
        : `Container image "${named}" is not present with pull policy of Never`;
      events.record(pod, "Warning", "ErrImageNeverPull", text, container.name);
      throw new ImageError("ErrImageNeverPull", text);
    }
    return this.#pull(pod, container, { image, present: present?.id }, signal);
  }

  /** Returns the milliseconds until a failed pull is tried again; 0: now. */
  remaining(pod: Pod, container: Container): number {
    const key = `${uidOf(pod)}/${container.image}`;
    const failure = this.#failures.get(key);
    return failure ? this.#backOffs.remaining(key, failure.failed_ms) : 0;
  }

  /** Drops the state of a removed pod. */
  forget(podUid: string): void {
    this.#backOffs.forgetAll(`${podUid}/`);
    for (const key of this.#failures.keys()) {
      if (key.startsWith(`${podUid}/`)) this.#failures.delete(key);
    }
  }

  #referenceOf(pod: Pod, container: Container, named: string): string {
    try {
      return withDefaultTag(named);
    } catch (thrown) {
      const text = `Failed to apply default image tag "${named}": ${messageOf(thrown)}`;
      this.#options.events.record(pod, "Warning", "InspectFailed", text, container.name);
      throw new ImageError("InvalidImageName", text);
    }
  }

  async #present(pod: Pod, container: Container, image: string): Promise<Image | undefined> {
    const { runtime, events } = this.#options;
    try {
      return (await runtime.images.imageStatus({ image: { image } })).image;
    } catch (thrown) {
      const text = `Failed to inspect image "${image}": ${messageOf(thrown)}`;
      events.record(pod, "Warning", "InspectFailed", text, container.name);
      throw new ImageError("ImageInspectError", text);
    }
  }

  async #pull(
    pod: Pod,
    container: Container,
    { image, present }: { image: string; present: string | undefined },
    signal: AbortSignal,
  ): Promise<ReadyImage> {
    const { clock, events, pulled } = this.#options;
    const named = container.image ?? "";
    const key = `${uidOf(pod)}/${named}`;
    const failure = this.#failures.get(key);
    if (failure && this.#backOffs.remaining(key, failure.failed_ms) > 0) {
      const text = `Back-off pulling image "${named}"`;
      events.record(pod, "Normal", "BackOff", text, container.name);
      throw new ImageError("ImagePullBackOff", `${text}: ErrImagePull: ${failure.message}`);
    }
    this.#backOffs.grow(key, clock.now());
    events.record(pod, "Normal", "Pulling", `Pulling image "${named}"`, container.name);
    const begun_ms = clock.monotonic();
    await pulled.intend(image, present);
    let credential: PullCredential | undefined;
    try {
      credential = await this.#pullWithSecrets(pod, image, signal);
    } catch (thrown) {
      await pulled.failed(image, signal.aborted || isErrno(thrown, "DEADLINE_EXCEEDED"));
      if (signal.aborted) throw thrown;
      const message = messageOf(thrown);
      this.#failures.set(key, { failed_ms: clock.now(), message });
      const text = `Failed to pull image "${named}": ${message}`;
      events.record(pod, "Warning", "Failed", text, container.name);
      throw new ImageError("ErrImagePull", text);
    }
    this.#failures.delete(key);
    this.#backOffs.forget(key);
    const found = await this.#recorded(image, credential);
    if (!found) throw new ImageError("ErrImagePull", `image "${named}" vanished after its pull`);
    const took = durationText(clock.monotonic() - begun_ms);
    const text =
      `Successfully pulled image "${named}" in ${took} (${took} including waiting). ` +
      `Image size: ${found.size} bytes.`;
    events.record(pod, "Normal", "Pulled", text, container.name);
    return readyImage(found);
  }

  /** Records the credential that pulled the image. Returns the image. */
  async #recorded(image: string, credential: PullCredential | undefined) {
    const { runtime, pulled } = this.#options;
    const { image: found } = await runtime.images.imageStatus({ image: { image } });
    if (!found) return undefined;
    const { images } = await runtime.images.listImages({});
    const of = { imageRef: found.id, names: [...found.repoTags, ...found.repoDigests] };
    await pulled.pulled(image, of, credential, new Set(images.map(({ id }) => id)));
    return found;
  }

  async #credentials(pod: Pod, image: string): Promise<PullCredential[]> {
    return credentialsFor(image, await this.#options.pullSecrets(pod));
  }

  /** Pulls with each matching credential in turn; anonymously if there is none. */
  async #pullWithSecrets(
    pod: Pod,
    image: string,
    signal: AbortSignal,
  ): Promise<PullCredential | undefined> {
    const { runtime } = this.#options;
    const credentials = await this.#credentials(pod, image);
    const options = { timeout_ms: IMAGE_PULL_TIMEOUT_MS, signal };
    let failure: unknown;
    for (const credential of credentials.length > 0 ? credentials : [undefined]) {
      try {
        const { namespace, name, uid } = pod.metadata;
        const sandboxConfig = { metadata: { namespace, name, uid } };
        const auth = credential && { auth: credential.auth };
        const request = { image: { image }, sandboxConfig, ...auth };
        await runtime.images.pullImage(request, options);
        return credential;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        failure = thrown;
      }
    }
    throw failure;
  }
}

function defaultPolicy(image: string): "Always" | "IfNotPresent" {
  return image.endsWith(":latest") ? "Always" : "IfNotPresent";
}

function readyImage({ id, uid, username }: Image): ReadyImage {
  const user = { uid: uid?.value ?? (username === "" ? 0 : undefined), username };
  return { imageRef: id, user };
}

/** Returns a duration in Go's format: `1.234s`, `56ms`. */
function durationText(elapsed_ms: number): string {
  const whole_ms = Math.round(elapsed_ms);
  return whole_ms < 1_000 ? `${whole_ms}ms` : `${whole_ms / 1_000}s`;
}
