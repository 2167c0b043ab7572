import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import { objectsNamedBy } from "@raft2kube/api/core/v1/pod/references.ts";
import type { PodSpec, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { randomSuffix, systemRandom } from "@raft2kube/std/random.ts";
import type { ReferringPod } from "../../authz/node/references.ts";
import { type Pod, startedContainers } from "../../object/pod.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

const DEFAULT_ACCOUNT = "default";
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** One hour and 7 s: upstream's lifetime, which allows for kubelets that refresh late. */
const TOKEN_SECONDS = 3_607;
const DEFAULT_MODE = 0o644;

/** The annotation of accounts whose pods may use its own secrets only (deprecated upstream). */
const MOUNTABLE_ONLY = "kubernetes.io/enforce-mountable-secrets";

type Account = ServiceAccount & KubeObject;

/**
 * Sets the service account of each pod, and mounts its token, the cluster's CA certificate and the
 * namespace into the containers.
 */
export function serviceAccount(context: AdmissionContext): AdmissionPlugin {
  const accounts = context.resources.of("v1", "serviceaccounts");
  const accountOf = async (request: AdmissionRequest, name: string): Promise<Account> => {
    const key = keyOf(accounts.kind, request.namespace, name);
    // The cache may not yet have a new account: the store is read before the pod is refused.
    const account =
      (await accounts.cache()).get(key)?.shared<Account>() ??
      (await accounts.store.find<Account>(request.namespace, name));
    if (account !== undefined) return account;
    throw refusal(
      request,
      `error looking up service account ${request.namespace}/${name}: ` +
        `serviceaccount ${JSON.stringify(name)} not found`,
    );
  };
  return {
    name: "ServiceAccount",
    async admit(request) {
      if (request.operation !== "CREATE" || !concerns(request, "", "pods")) return;
      const pod = request.object as Pod;
      if (isMirrorPod(pod)) return checkMirrorPod(request, pod);
      const { spec } = pod;
      const name = spec.serviceAccountName || DEFAULT_ACCOUNT;
      spec.serviceAccountName = name;
      spec.serviceAccount = name;
      const account = await accountOf(request, name);
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
      }
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) {
        mountToken(spec);
      }
    },
    /** Checks the pod after all mutating plugins; ephemeral containers are added by updates. */
    async validate(request) {
      const created = request.operation === "CREATE" && concerns(request, "", "pods");
      const debugged =
        request.operation === "UPDATE" && concerns(request, "", "pods", "ephemeralcontainers");
      if (!created && !debugged) return;
      const pod = request.object as Pod;
      if (isMirrorPod(pod)) return;
      const account = await accountOf(request, pod.spec.serviceAccountName || DEFAULT_ACCOUNT);
      if (account.metadata.annotations?.[MOUNTABLE_ONLY] !== "true") return;
      const { imagePullSecrets: pulls, ...rest } = pod.spec;
      const secrets = secretsNamedBy({ ...pod, spec: rest });
      const foreign =
        namedBeside(account.secrets, secrets) ??
        namedBeside(
          account.imagePullSecrets,
          (pulls ?? []).map(({ name = "" }) => name),
        );
      if (foreign === undefined) return;
      throw refusal(
        request,
        `secret ${JSON.stringify(foreign)} is not allowed because service account ` +
          `${account.metadata.name} does not reference that secret`,
      );
    },
  };
}

/** A mirror pod runs without the API's secrets, so it may ask for none. */
function checkMirrorPod(request: AdmissionRequest, pod: Pod): void {
  if (pod.spec.serviceAccountName) {
    throw refusal(request, "a mirror pod may not reference service accounts");
  }
  if (secretsNamedBy(pod).length > 0) {
    throw refusal(request, "a mirror pod may not reference secrets");
  }
  const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (sources.some((source) => "serviceAccountToken" in source)) {
    throw refusal(request, "a mirror pod may not use ServiceAccountToken volume projections");
  }
}

/** Names of all secrets that a pod's volumes, environments and pulls need. */
function secretsNamedBy(pod: Pod): string[] {
  return [...objectsNamedBy(pod as ReferringPod)].flatMap((reference) => {
    const [resource, , name = ""] = reference.split("/");
    return resource === "secrets" ? [name] : [];
  });
}

function namedBeside(allowed: { name?: string }[] = [], names: string[]): string | undefined {
  const known = new Set(allowed.map(({ name }) => name));
  return names.find((name) => !known.has(name));
}

function mountToken(spec: PodSpec): void {
  const containers = startedContainers(spec);
  const without = containers.filter(
    (container) => !(container.volumeMounts ?? []).some((mount) => mount.mountPath === MOUNT_PATH),
  );
  if (without.length === 0) return;
  const known = (spec.volumes ?? []).find((volume) => volume.name.startsWith(VOLUME_PREFIX));
  const name = known?.name ?? `${VOLUME_PREFIX}${randomSuffix(systemRandom, 5)}`;
  for (const container of without) {
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name, readOnly: true, mountPath: MOUNT_PATH },
    ];
  }
  if (known === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

const NAMESPACE = { apiVersion: "v1", fieldPath: "metadata.namespace" };

const tokenVolume = (name: string) => ({
  name,
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: NAMESPACE }] } },
    ],
    defaultMode: DEFAULT_MODE,
  },
});
