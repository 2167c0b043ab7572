import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "../../../../testing/wait.ts";
import type { TestCluster } from "../../cluster.ts";
import { CLASS_NAME } from "../objects.ts";

const TIMEOUT_MS = 240_000;
const LOOK_MS = 1_500;

/** Claims that come and go on one node. */
export interface Track {
  readonly node: string;
  /** The classes of the claims that each of its pods has. */
  readonly classes: readonly string[];
}

/** Tracks for both nodes: only the first has the driver whose volumes are attached. */
export function tracksOf(first: string, other: string): Track[] {
  return [
    { node: first, classes: ["standard", CLASS_NAME] },
    { node: first, classes: [CLASS_NAME, "standard"] },
    { node: other, classes: ["standard", "standard"] },
    { node: other, classes: ["standard"] },
  ];
}

/**
 * Lets the claims of a pod come and go: one pod writes to them, another must find what was written,
 * then all is deleted. Resolves with the names of claims whose data was not found.
 */
export async function comeAndGo(
  cluster: TestCluster,
  track: Track,
  name: string,
): Promise<string[]> {
  const claims = track.classes.map((className, i) => ({ name: `${name}-${i}`, className }));
  const paths = claims.map((claim) => `/${claim.name}`);
  await applied(cluster, claims.map(claimOf).join("---"));
  const write = paths.map((path) => `echo ${name} > ${path}/kept`).join(" && ");
  await applied(cluster, podOf(`${name}-w`, track, claims, `${write} && sync && sleep 2`));
  await succeeded(cluster, `${name}-w`);
  await gone(cluster, "pod", `${name}-w`);
  const read = paths.map((path) => `grep -q ${name} ${path}/kept`).join(" && ");
  await applied(cluster, podOf(`${name}-r`, track, claims, `sleep 1 && ${read}`));
  const lost: string[] = [];
  try {
    await succeeded(cluster, `${name}-r`);
  } catch (thrown) {
    lost.push(`${name}: ${String(thrown)}`);
  }
  await gone(cluster, "pod", `${name}-r`);
  for (const claim of claims) await gone(cluster, "pvc", claim.name);
  return lost;
}

const claimOf = ({ name, className }: { name: string; className: string }) => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name} }
spec:
  storageClassName: ${className}
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 4Mi } }
`;

function podOf(
  name: string,
  { node }: Track,
  claims: readonly { name: string }[],
  command: string,
): string {
  const mounts = claims.map((claim) => ({ name: claim.name, mountPath: `/${claim.name}` }));
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      restartPolicy: "OnFailure",
      terminationGracePeriodSeconds: 1,
      nodeSelector: { "kubernetes.io/hostname": node },
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "main",
          image: "r2k.local/busybox:1",
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", command],
          volumeMounts: mounts,
        },
      ],
      volumes: claims.map((claim) => ({
        name: claim.name,
        persistentVolumeClaim: { claimName: claim.name },
      })),
    },
  });
}

/** The apiserver may be away. */
async function applied(cluster: TestCluster, manifest: string): Promise<void> {
  await until("an apply", async () => {
    const outcome = await cluster.kubectl(["apply", "-f", "-"], { input: manifest });
    if (outcome.code !== 0) throw new Error(outcome.stderr);
    return true;
  });
}

async function succeeded(cluster: TestCluster, pod: string): Promise<void> {
  await until(`${pod} to succeed`, async () => {
    const { stdout, stderr } = await cluster.kubectl(["get", "pod", pod, "-o", "json"]);
    if (stdout === "") throw new Error(stderr);
    const { status } = JSON.parse(stdout) as { status: { phase: string } };
    if (status.phase !== "Succeeded") throw new Error(JSON.stringify(status));
    return true;
  });
}

async function gone(cluster: TestCluster, kind: string, name: string): Promise<void> {
  await until(`${kind} ${name} to go`, async () => {
    const flags = ["--ignore-not-found", "--wait=false"];
    const { code, stdout, stderr } = await cluster.kubectl(["delete", kind, name, ...flags]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim() === "";
  });
}

function until(what: string, probe: () => Promise<boolean>): Promise<unknown> {
  const patience = { clock: systemClock(), timeout_ms: TIMEOUT_MS, interval_ms: LOOK_MS };
  return waitFor(what, probe, patience);
}
