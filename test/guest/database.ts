import { createInterface } from "node:readline";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { expect } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import type { TestCluster } from "../e2e/cluster.ts";

interface Place {
  readonly image: string;
  /** The node that it starts on, where others would do too. */
  readonly node: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly storageClass: string;
}

/** A StatefulSet of one etcd with a claim; its pod leaves lost nodes after a second. */
const manifest = (name: string, { image, node, nodeSelector, storageClass }: Place) => `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: ${name} }
spec:
  serviceName: ${name}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: ${JSON.stringify(nodeSelector)}
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference:
                matchExpressions:
                  - { key: kubernetes.io/hostname, operator: In, values: [${node}] }
      tolerations:
        - { key: node.kubernetes.io/unreachable, effect: NoExecute, tolerationSeconds: 1 }
        - { key: node.kubernetes.io/not-ready, effect: NoExecute, tolerationSeconds: 1 }
      containers:
        - name: etcd
          image: ${image}
          imagePullPolicy: IfNotPresent
          command:
            - etcd
            - --data-dir=/data/etcd
            - --listen-client-urls=http://0.0.0.0:2379
            - --advertise-client-urls=http://127.0.0.1:2379
            - --heartbeat-interval=250
            - --election-timeout=2500
            - --quota-backend-bytes=67108864
          readinessProbe:
            httpGet: { path: /health, port: 2379 }
            periodSeconds: 1
            timeoutSeconds: 5
          volumeMounts: [{ name: data, mountPath: /data }]
  volumeClaimTemplates:
    - metadata: { name: data }
      spec:
        storageClassName: ${storageClass}
        accessModes: [ReadWriteOnce]
        resources: { requests: { storage: 192Mi } }
`;

const READY_TIMEOUT_MS = 240_000;
const clock = machineClock();
const patience = { clock, timeout_ms: READY_TIMEOUT_MS };

/** An etcd in a StatefulSet, and the rows that it has acknowledged. */
export class Database {
  readonly #cluster: TestCluster;
  readonly #name: string;
  readonly #pod: string;
  readonly #claim: string;
  /** Numbers of the rows whose writes were acknowledged. */
  readonly #acknowledged: number[] = [];

  constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
    this.#pod = `${name}-0`;
    this.#claim = `data-${name}-0`;
  }

  async create(place: Place): Promise<void> {
    await this.#cluster.apply(manifest(this.#name, place));
  }

  /** Waits until the pod is ready on that node, and is not being deleted. */
  async untilReadyOn(node: string): Promise<void> {
    const ready = "{.status.conditions[?(@.type=='Ready')].status}";
    const fields = `jsonpath={.metadata.deletionTimestamp}${ready} {.spec.nodeName}`;
    const args = ["get", "pod", this.#pod, "-o", fields];
    const what = `${this.#pod} to be ready on ${node}`;
    await this.#cluster.until(what, args, (text) => text === `True ${node}`, READY_TIMEOUT_MS);
  }

  /**
   * Starts to write rows, without pause until the pod ends, and resolves when `count` more are
   * acknowledged. The result ends the writer: later acknowledgements are not read.
   */
  async write(count: number): Promise<() => void> {
    const before = this.#acknowledged.length;
    // A row may have been written without an acknowledgement: its number is used again.
    const next = (this.#acknowledged.at(-1) ?? -1) + 1;
    const loop = `i=${next}; while etcdctl put row$i $i > /dev/null; do echo $i; i=$((i+1)); done`;
    const child = this.#cluster.startKubectl(["exec", this.#pod, "--", "sh", "-c", loop]);
    createInterface(child.stdout!).on("line", (line) => this.#acknowledged.push(Number(line)));
    const isEnough = () => this.#acknowledged.length >= before + count;
    await waitFor(`${count} rows of ${this.#name}`, isEnough, patience);
    return () => child.kill("SIGKILL");
  }

  /** Checks that every row that was acknowledged is there, as it was written. */
  async check(): Promise<void> {
    const read = ["etcdctl", "get", "row", "--prefix"];
    const lines = (await this.#cluster.ask("exec", this.#pod, "--", ...read)).split("\n");
    const rows = new Map<string, string | undefined>();
    for (let i = 0; i < lines.length; i += 2) rows.set(lines[i]!, lines[i + 1]);
    expect(this.#acknowledged.length).toBeGreaterThan(0);
    const missing = this.#acknowledged.filter((row) => rows.get(`row${row}`) !== String(row));
    expect(missing, `${this.#name}: acknowledged, and lost`).toEqual([]);
  }

  /** The node of the pod and whether it is being deleted: `node-2 leaving`. */
  async place(): Promise<string> {
    const fields = "jsonpath={.spec.nodeName} {.metadata.deletionTimestamp}";
    const text = (await this.#cluster.kubectl(["get", "pod", this.#pod, "-o", fields])).stdout;
    return text.trim().replace(/ \S+$/, " leaving");
  }

  /** Waits until `place` is this. */
  async untilPlace(place: string): Promise<void> {
    const isThere = async () => (await this.place()) === place;
    await waitFor(`${this.#pod}: ${place}`, isThere, patience);
  }

  /** Deletes the pod without waiting for its node: its successor may be made. */
  async forceDelete(): Promise<void> {
    await this.#cluster.ask("delete", "pod", this.#pod, "--force", "--grace-period=0");
  }

  /** Waits until an event of the pod says this. */
  async untilEvent(reason: string, text: string): Promise<void> {
    const about = `involvedObject.name=${this.#pod},reason=${reason}`;
    const args = ["get", "events", "--field-selector", about, "-o", "jsonpath={.items[*].message}"];
    await this.#cluster.until(reason, args, (messages) => messages.includes(text));
  }

  /** Asks for more space and waits until the claim has it. */
  async grow(storage: string): Promise<void> {
    const patch = JSON.stringify({ spec: { resources: { requests: { storage } } } });
    await this.#cluster.ask("patch", "pvc", this.#claim, "-p", patch);
    const size = ["get", "pvc", this.#claim, "-o", "jsonpath={.status.capacity.storage}"];
    await this.#cluster.until("the new size", size, (text) => text === storage, READY_TIMEOUT_MS);
  }

  /** Sets the number of pods; with none, waits until the pod is gone. */
  async scale(replicas: 0 | 1): Promise<void> {
    await this.#cluster.ask("scale", "statefulset", this.#name, `--replicas=${replicas}`);
    if (replicas === 0) {
      const pods = ["get", "pods", "-l", `app=${this.#name}`, "-o", "name"];
      await this.#cluster.until("no pod", pods, (names) => names === "");
    }
  }

  /** The size of the file system that the pod sees. */
  async size_MiB(): Promise<number> {
    const text = await this.#cluster.ask("exec", this.#pod, "--", "df", "-m", "/data");
    return Number(/\s(\d+)\s+\d+\s+\d+\s+\d+%/.exec(text)?.[1]);
  }
}
