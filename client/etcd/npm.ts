// The exports of the npm package `raft2kube/etcd`.

export type { CallOptions, EtcdClient, WatchOptions, WatchStream } from "./client.ts";
export { EtcdError, STATUS } from "./errors.ts";
export { type ConnectOptions, connectEtcd } from "./grpc.ts";
export type * from "@raft2kube/proto/gen/etcd.ts";
