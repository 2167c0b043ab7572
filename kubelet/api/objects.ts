import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONFIG_MAPS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  RUNTIME_CLASSES,
  SECRETS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { type LogFields, logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns, sharedCalls } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import {
  OBJECT_READS_MAX,
  OBJECT_TTL_MS,
  OBJECT_WAIT_MS,
  OBJECTS_CACHED_CHARACTERS_MAX,
  OBJECTS_CACHED_MAX,
} from "../limits.ts";
import type { ObjectReadOptions, PodObjects } from "../pods/pod-objects.ts";
import { ServiceAccountTokens } from "./tokens.ts";

const log = logger("kubelet-objects");

/**
 * Reads objects that pods refer to from the API by name, which is all that the Node authorizer
 * grants. ConfigMaps and Secrets are cached for a minute, shared by all pods. Namespaces read in
 * rotation: the client's requests per second are the node's lease's, too.
 */
export function apiObjects(client: KubeClient, informers: InformerSet, clock: Clock): PodObjects {
  const turns = new FairTurns(OBJECT_READS_MAX);
  // The namespace of an object without one is that of the pod. A pod may name a claim 512 times.
  const read = <T extends KubeObject>(type: ResourceType<T>) => {
    const resource = client.resource(type);
    return sharedCalls((namespace: string, name: string) =>
      undefinedIfNotFound(turns.run(namespace, () => resource.get({ namespace, name }))),
    );
  };
  const configMaps = new FreshObjects(read(CONFIG_MAPS), clock);
  const secrets = new FreshObjects(read(SECRETS), clock);
  const claim = read(PERSISTENT_VOLUME_CLAIMS);
  const persistentVolume = read(PERSISTENT_VOLUMES);
  const runtimeClass = read(RUNTIME_CLASSES);
  const tokens = new ServiceAccountTokens(client, clock, turns);
  return {
    configMap(namespace, name, options = {}) {
      // Every pod has this one, and it changes with the CA only.
      const since_ms = name === "kube-root-ca.crt" ? -Infinity : options.since_ms;
      return configMaps.get(namespace, name, { ...options, since_ms });
    },
    secret: (namespace, name, options) => secrets.get(namespace, name, options),
    claim,
    persistentVolume,
    async services() {
      const informer = informers.of(SERVICES);
      await informer.synced;
      return informer.store.list();
    },
    runtimeHandler: async (name) => (await runtimeClass("", name))?.handler,
    token: (pod, fields) => tokens.get(pod, fields),
  };
}

/** The last answer about an object; `object` is undefined if there was none of its name. */
interface Known<T> {
  /** When the read was started; monotonic. */
  read_ms: number;
  object: T | undefined;
  /** Characters of the object's data. */
  characters: number;
}

/**
 * Cache of one resource: an object is read again after OBJECT_TTL_MS, and for a pod that came
 * later; one that was missing each time, because pods wait for it. Concurrent readers share a
 * request. The oldest entries are dropped above the limits of objects and of characters.
 */
class FreshObjects<T extends KubeObject & WithData> {
  readonly #clock: Clock;
  /** Logs an object whose last state is used. */
  readonly #stale: (fields: LogFields) => void;
  readonly #read: (namespace: string, name: string) => Promise<Known<T>>;
  readonly #known = new Map<string, Known<T>>();
  #characters = 0;

  constructor(read: (namespace: string, name: string) => Promise<T | undefined>, clock: Clock) {
    this.#clock = clock;
    this.#stale = recurring(log, "an object cannot be read, its last state is used", clock);
    this.#read = sharedCalls(async (namespace, name) => {
      const read_ms = clock.monotonic();
      const object = await read(namespace, name);
      const known = { read_ms, object, characters: charactersOf(object) };
      this.#record(`${namespace}/${name}`, known);
      return known;
    });
  }

  /** Returns an object; with `orLast` the last answer, if any, where a read fails or lasts. */
  async get(
    namespace: string,
    name: string,
    { orLast = false, since_ms = -Infinity }: ObjectReadOptions = {},
  ): Promise<T | undefined> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key);
    const age_ms = this.#clock.monotonic() - (known?.read_ms ?? 0);
    const isFresh = known && known.read_ms >= since_ms && age_ms < OBJECT_TTL_MS;
    if (isFresh && known.object) return known.object;
    const reading = this.#readSince(namespace, name, since_ms);
    if (!known || !orLast) return reading;
    const last = reading.catch((thrown: unknown) => {
      this.#stale({ object: key, error: messageOf(thrown) });
      return known.object;
    });
    return resultWithin(this.#clock, last, OBJECT_WAIT_MS, () => known.object);
  }

  /** Reads an object, once more where it joined a read that was started before `since_ms`. */
  async #readSince(namespace: string, name: string, since_ms: number): Promise<T | undefined> {
    const known = await this.#read(namespace, name);
    if (known.read_ms >= since_ms) return known.object;
    return (await this.#read(namespace, name)).object;
  }

  #record(key: string, answer: Known<T>): void {
    this.#drop(key);
    this.#known.set(key, answer);
    this.#characters += answer.characters;
    for (const oldest of this.#known.keys()) {
      const few = this.#known.size <= OBJECTS_CACHED_MAX;
      if (few && this.#characters <= OBJECTS_CACHED_CHARACTERS_MAX) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#characters -= this.#known.get(key)?.characters ?? 0;
    this.#known.delete(key);
  }
}

function charactersOf({ data = {}, binaryData = {} }: WithData = {}): number {
  const pairs = [...Object.entries(data), ...Object.entries(binaryData)];
  return pairs.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
}

/** The fields of ConfigMaps and Secrets that hold data. */
type WithData = { data?: Record<string, string>; binaryData?: Record<string, string> };
