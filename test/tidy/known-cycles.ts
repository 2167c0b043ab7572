/**
 * Groups of product files outside of LAYERS that reach each other by imports, types included, as
 * folder and files. A group may become smaller or go, and this list with it; none is added.
 */
const GROUPS: readonly (readonly [folder: string, files: string])[] = [
  ["api/cel", "check functions"],
  ["api/codec", "json special-json"],
  ["api/codec", "protobuf special-protobuf"],
  ["base/linux", "cgroup-none cgroup-v1 cgroup-v2 cgroup"],
  ["base/proto", "codec encoded"],
  [
    "base/rpc",
    "connections grpc-call grpc-request listener routes server stream-call unary-call",
  ],
  ["base/streaming", "port-forward-spdy port-forward-websocket port-forward"],
  ["base/streaming", "remote-command-spdy remote-command-websocket remote-command resize"],
  ["proxy/apply/nftables", "fragment frontends random-endpoint session-affinity"],
  ["scheduler/framework", "cycle-state plugin"],
  ["scheduler", "plugins/volume-binding volume-binder"],
];

/** The groups as `cyclesOf` returns them. */
export const KNOWN_CYCLES = GROUPS.map(([folder, files]) =>
  files.split(" ").map((file) => `${folder}/${file}.ts`));
