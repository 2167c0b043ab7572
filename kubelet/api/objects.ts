import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Secret,
  Service,
} from "@raft2kube/api/gen/core/v1.ts";
import type { RuntimeClass } from "@raft2kube/api/gen/node/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONFIG_MAPS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  SECRETS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import {
  OBJECT_READS_MAX,
  OBJECT_TTL_MS,
  OBJECT_WAIT_MS,
  OBJECTS_CACHED_CHARACTERS_MAX,
  OBJECTS_CACHED_MAX,
} from "../limits.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { ServiceAccountTokens } from "./tokens.ts";

const log = logger("kubelet-objects");

/**
 * Reads objects that pods refer to from the API by name, which is all that the Node authorizer
 * grants. ConfigMaps and Secrets are cached for a minute, shared by all pods. While the API server
 * cannot be read, an object is the one that was read last, if there is one: a running pod does not
 * need the API server. Namespaces read in rotation: the client's requests per second are the node's
 * lease's, too.
 */
export function apiObjects(client: KubeClient, informers: InformerSet, clock: Clock): PodObjects {
  const turns = new FairTurns(OBJECT_READS_MAX);
  const read = <T extends KubeObject & WithData>(type: ResourceType, ttl_ms: number) => {
    const resource = client.resource<T>(type);
    const named = (...names: string[]) => {
      const [name = "", namespace] = names.reverse();
      const which = namespace === undefined ? { name } : { namespace, name };
      return turns.run(namespace ?? "", () => resource.get(which));
    };
    return new FreshObjects<T>(named, clock, ttl_ms);
  };
  const configMaps = read<ConfigMap>(CONFIG_MAPS, OBJECT_TTL_MS);
  const secrets = read<Secret>(SECRETS, OBJECT_TTL_MS);
  const claims = read<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS, 0);
  const persistentVolumes = read<PersistentVolume>(PERSISTENT_VOLUMES, 0);
  const runtimeClasses = read<RuntimeClass>(RUNTIME_CLASSES, 0);
  const tokens = new ServiceAccountTokens(client, clock, turns);
  return {
    configMap: (namespace, name) => configMaps.get(namespace, name),
    secret: (namespace, name) => secrets.get(namespace, name),
    claim: (namespace, name) => claims.get(namespace, name),
    persistentVolume: (name) => persistentVolumes.get(name),
    async services() {
      const informer = informers.of<Service>(SERVICES);
      await informer.synced;
      return informer.store.list();
    },
    runtimeHandler: async (name) => (await runtimeClasses.get(name))?.handler,
    token: (pod, fields) => tokens.get(pod, fields),
  };
}

const RUNTIME_CLASSES: ResourceType = {
  group: "node.k8s.io",
  version: "v1",
  plural: "runtimeclasses",
  namespaced: false,
  kind: "RuntimeClass",
};

/** The last answer about an object; `object` is undefined if there was none of its name. */
interface Known<T> {
  /** When the read was started; monotonic. */
  read_ms: number;
  object: T | undefined;
  /** Characters of the object's data. */
  characters: number;
}

/**
 * Cache of one resource: an object is read again after `ttl_ms`, one that was missing each time,
 * because pods wait for it. Concurrent readers share a request. A read that fails, or takes longer
 * than OBJECT_WAIT_MS, gives the last answer if there is one. The oldest entries are dropped above
 * the limits of objects and of characters.
 */
class FreshObjects<T extends KubeObject & WithData> {
  readonly #ask: (...names: string[]) => Promise<T>;
  readonly #clock: Clock;
  readonly #ttl_ms: number;
  readonly #known = new Map<string, Known<T>>();
  /** Reads under way: volumes of a pod may name one claim 512 times. */
  readonly #reading = new Map<string, Promise<T | undefined>>();
  #characters = 0;

  constructor(ask: (...names: string[]) => Promise<T>, clock: Clock, ttl_ms: number) {
    this.#ask = ask;
    this.#clock = clock;
    this.#ttl_ms = ttl_ms;
  }

  async get(...names: string[]): Promise<T | undefined> {
    const key = names.join("/");
    const known = this.#known.get(key);
    const age_ms = this.#clock.monotonic() - (known?.read_ms ?? 0);
    if (known?.object && age_ms < this.#ttl_ms) return known.object;
    const reading =
      this.#reading.get(key) ?? this.#read(key, names).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    if (!known) return reading;
    return resultWithin(this.#clock, reading, OBJECT_WAIT_MS, () => known.object);
  }

  async #read(key: string, names: string[]): Promise<T | undefined> {
    const read_ms = this.#clock.monotonic();
    try {
      const object = await undefinedIfNotFound(this.#ask(...names));
      this.#record(key, { read_ms, object, characters: charactersOf(object) });
      return object;
    } catch (thrown) {
      const known = this.#known.get(key);
      if (!known) throw thrown;
      log.warn("an object cannot be read, its last state is used", {
        object: key,
        error: messageOf(thrown),
      });
      known.read_ms = read_ms;
      return known.object;
    }
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
