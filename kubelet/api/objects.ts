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
import type { Clock } from "@raft2kube/std/clock.ts";
import { OBJECT_TTL_MS, OBJECTS_CACHED_CHARACTERS_MAX, OBJECTS_CACHED_MAX } from "../limits.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { ServiceAccountTokens } from "./tokens.ts";

/**
 * Reads objects that pods refer to from the API by name, which is all that the Node authorizer
 * grants. ConfigMaps and Secrets are cached for a minute, shared by all pods.
 */
export function apiObjects(client: KubeClient, informers: InformerSet, clock: Clock): PodObjects {
  const configMaps = new FreshObjects<ConfigMap>(client, CONFIG_MAPS, clock);
  const secrets = new FreshObjects<Secret>(client, SECRETS, clock);
  const tokens = new ServiceAccountTokens(client, clock);
  return {
    configMap: (namespace, name) => configMaps.get(namespace, name),
    secret: (namespace, name) => secrets.get(namespace, name),
    claim: shared((namespace, name) =>
      undefinedIfNotFound(
        client.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS).get({ namespace, name }),
      ),
    ),
    persistentVolume: shared((name) =>
      undefinedIfNotFound(client.resource<PersistentVolume>(PERSISTENT_VOLUMES).get({ name })),
    ),
    async services() {
      const informer = informers.of<Service>(SERVICES);
      await informer.synced;
      return informer.store.list();
    },
    async runtimeHandler(name) {
      const classes = client.resource<RuntimeClass>(RUNTIME_CLASSES);
      const found = await undefinedIfNotFound(classes.get({ name }));
      return found?.handler;
    },
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

/** Shares each read that is under way: volumes of a pod may name one claim 512 times. */
function shared<Names extends string[], T>(
  read: (...names: Names) => Promise<T>,
): (...names: Names) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (...names) => {
    const key = names.join("/");
    const reading = underWay.get(key) ?? read(...names).finally(() => underWay.delete(key));
    underWay.set(key, reading);
    return reading;
  };
}

interface Read<T> {
  read_ms: number;
  object: Promise<T | undefined>;
  /** Characters of the object's data; 0 until it is read. */
  characters: number;
}

/**
 * Cache of one resource, with entries of at most a minute. Concurrent readers share a request. The
 * oldest entries are dropped above the limits of objects and of characters.
 */
class FreshObjects<T extends KubeObject & WithData> {
  readonly #client: KubeClient;
  readonly #type: ResourceType;
  readonly #clock: Clock;
  readonly #read = new Map<string, Read<T>>();
  #characters = 0;

  constructor(client: KubeClient, type: ResourceType, clock: Clock) {
    this.#client = client;
    this.#type = type;
    this.#clock = clock;
  }

  get(namespace: string, name: string): Promise<T | undefined> {
    const key = `${namespace}/${name}`;
    const read_ms = this.#clock.monotonic();
    const cached = this.#read.get(key);
    if (cached && read_ms - cached.read_ms < OBJECT_TTL_MS) return cached.object;
    const resource = this.#client.resource<T>(this.#type);
    const object = undefinedIfNotFound(resource.get({ namespace, name }));
    const entry: Read<T> = { read_ms, object, characters: 0 };
    this.#drop(key);
    this.#read.set(key, entry);
    this.#evictOldest();
    // A missing object and a failure are not cached: a pod waits for the object.
    const drop = () => {
      if (this.#read.get(key) === entry) this.#drop(key);
    };
    object.then((found) => (found ? this.#recordSize(key, entry, found) : drop()), drop);
    return object;
  }

  #recordSize(key: string, entry: Read<T>, { data = {}, binaryData = {} }: T): void {
    if (this.#read.get(key) !== entry) return;
    const pairs = [...Object.entries(data), ...Object.entries(binaryData)];
    entry.characters = pairs.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
    this.#characters += entry.characters;
    this.#evictOldest();
  }

  #evictOldest(): void {
    for (const key of this.#read.keys()) {
      const few = this.#read.size <= OBJECTS_CACHED_MAX;
      if (few && this.#characters <= OBJECTS_CACHED_CHARACTERS_MAX) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#characters -= this.#read.get(key)?.characters ?? 0;
    this.#read.delete(key);
  }
}

/** The fields of ConfigMaps and Secrets that hold data. */
type WithData = { data?: Record<string, string>; binaryData?: Record<string, string> };
