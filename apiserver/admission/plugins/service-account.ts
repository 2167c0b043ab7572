import { randomSuffix, systemRandom } from "@raft2kube/std/random.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";
import { isMirrorPod, type Pod, type PodSpec, startedContainers } from "./pod.ts";

const DEFAULT_ACCOUNT = "default";
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** An hour and what upstream adds for kubelets that refresh late. */
const TOKEN_SECONDS = 3_607;
const DEFAULT_MODE = 0o644;

interface Account extends KubeObject {
  automountServiceAccountToken?: boolean;
  imagePullSecrets?: { name?: string }[];
}

/**
 * Gives every pod its account, and its containers the account's token with what is needed to use
 * it.
 */
export function serviceAccount(context: AdmissionContext): AdmissionPlugin {
  const accounts = context.registry.of("v1", "serviceaccounts");
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
      const key = keyOf(accounts.kind, request.namespace, name);
      // The cache may lag behind an account just made: the store has the last word.
      const account =
        (await accounts.cache()).get(key)?.shared<Account>() ??
        (await accounts.store.find<Account>(request.namespace, name));
      if (account === undefined) {
        throw refusal(
          request,
          `error looking up service account ${request.namespace}/${name}: ` +
            `serviceaccount ${JSON.stringify(name)} not found`,
        );
      }
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
      }
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) {
        mountToken(spec);
      }
    },
  };
}

/** A mirror pod runs without the API's secrets, so it may ask for none. */
function checkMirrorPod(request: AdmissionRequest, pod: Pod): void {
  if (pod.spec.serviceAccountName) {
    throw refusal(request, "a mirror pod may not reference service accounts");
  }
  for (const volume of pod.spec.volumes ?? []) {
    if (volume["secret"] !== undefined) {
      throw refusal(request, "a mirror pod may not reference secrets");
    }
  }
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

function tokenVolume(name: string) {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        {
          configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] },
        },
        {
          downwardAPI: {
            items: [
              {
                path: "namespace",
                fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
              },
            ],
          },
        },
      ],
      defaultMode: DEFAULT_MODE,
    },
  };
}
