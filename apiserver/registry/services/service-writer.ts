import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { ApiserverOptions } from "../../options.ts";
import type { Resources } from "../../resource/resources.ts";
import type { Writer } from "../writer.ts";

/** The parts that reserve addresses and node ports of Services in the store. */
export interface ServiceWriter extends Writer {
  readonly options: Pick<ApiserverOptions, "nodePortRange">;
  readonly etcd: EtcdClient;
  readonly resources: Resources;
  readonly metrics: Pick<Metrics, "stored">;
}
