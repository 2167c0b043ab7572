// The exports of the npm package `raft2kube/etcd`.

export type * from "@raft2kube/proto/gen/etcd.ts";
export { Status as STATUS } from "@raft2kube/rpc/error.ts";
export type {
  CallOptions,
  ConnectOptions,
  EtcdClient,
  WatchOptions,
  WatchStream,
} from "./client.ts";
export { EtcdError } from "./errors.ts";
export { connectEtcd } from "./grpc.ts";
