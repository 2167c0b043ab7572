/** A file of a Go module. */
interface SchemaFile {
  readonly path: string;
  readonly packageName: string;
  /** The module that has it, if not the source's own; of the same version. */
  readonly module?: string;
}

/**
 * Where each schema's facts come from: a Go module, its files in order, the packages they declare.
 */
export interface SchemaSource {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  readonly files: readonly SchemaFile[];
  /** Names (lowerCamel) of the 64-bit fields whose whole range matters. */
  readonly bigints: RegExp;
  /** Whether messages are also written as JSON, which needs the names of fields and enum values. */
  readonly json?: true;
}

const NONE = /^$/;
const ETCD_SERVER = "go.etcd.io/etcd/server/v3";
const ETCD_API = "etcdserver/api";

export const SCHEMA_SOURCES: readonly SchemaSource[] = [
  {
    name: "etcd",
    module: "go.etcd.io/etcd/api/v3",
    version: "v3.6.5",
    files: [
      { path: "mvccpb/kv.proto", packageName: "mvccpb" },
      { path: "authpb/auth.proto", packageName: "authpb" },
      { path: "etcdserverpb/rpc.proto", packageName: "etcdserverpb" },
      {
        path: `${ETCD_API}/v3lock/v3lockpb/v3lock.proto`,
        packageName: "v3lockpb",
        module: ETCD_SERVER,
      },
      {
        path: `${ETCD_API}/v3election/v3electionpb/v3election.proto`,
        packageName: "v3electionpb",
        module: ETCD_SERVER,
      },
    ],
    bigints: /^(ID|lease|leader|clusterId|memberId|memberID|targetID|watchId)$/,
    json: true,
  },
  {
    name: "cri",
    module: "k8s.io/cri-api",
    version: "v0.36.0",
    files: [{ path: "pkg/apis/runtime/v1/api.proto", packageName: "runtime.v1" }],
    bigints: /^(createdAt|startedAt|finishedAt|timestamp)$/,
  },
  {
    name: "csi",
    module: "github.com/container-storage-interface/spec",
    version: "v1.12.0",
    files: [{ path: "csi.proto", packageName: "csi.v1" }],
    bigints: NONE,
  },
  {
    name: "deviceplugin",
    module: "k8s.io/kubelet",
    version: "v0.36.0",
    files: [{ path: "pkg/apis/deviceplugin/v1beta1/api.proto", packageName: "v1beta1" }],
    bigints: NONE,
  },
  {
    name: "podresources",
    module: "k8s.io/kubelet",
    version: "v0.36.0",
    files: [{ path: "pkg/apis/podresources/v1/api.proto", packageName: "v1" }],
    bigints: NONE,
  },
  {
    name: "pluginregistration",
    module: "k8s.io/kubelet",
    version: "v0.36.0",
    files: [
      { path: "pkg/apis/pluginregistration/v1/api.proto", packageName: "pluginregistration" },
    ],
    bigints: NONE,
  },
];
