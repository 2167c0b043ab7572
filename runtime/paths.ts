import path from "node:path";

/** Files of one sandbox. */
export interface SandboxPaths {
  /** Folder of the data that survives a reboot. */
  data: string;
  record: string;
  /** Folder of bundles and mounts, which are gone after a reboot. */
  run: string;
  config: string;
  rootfs: string;
  pidFile: string;
  netns: string;
  /** The folder of its other namespaces, pinned. */
  namespaces: string;
  shm: string;
  /** The folder of the three files that containers see, a small file system of its own. */
  files: string;
  resolvConf: string;
  hostname: string;
  hosts: string;
}

/** Files of one container. */
export interface ContainerPaths {
  data: string;
  record: string;
  upper: string;
  work: string;
  run: string;
  config: string;
  /** The container's process for commands: its variables, and the rest of it. */
  env: string;
  process: string;
  rootfs: string;
  /** Images that are mounted as volumes, and the pinned namespace of a debug container's target. */
  volumes: string;
  pidFile: string;
  conmonPidFile: string;
  attachSocket: string;
  controlFifo: string;
  exitFile: string;
}

/** The runtime's folders: `root` survives a reboot, `state` does not. */
export function runtimePaths(root: string, state: string) {
  return {
    root,
    state,
    images: path.join(root, "images"),
    cniCache: path.join(state, "cni"),
    sandboxes: path.join(root, "sandboxes"),
    containers: path.join(root, "containers"),
    netns: path.join(state, "netns"),
    exits: path.join(state, "exits"),
    /** The OCI runtime's own state (`--root`). */
    oci: path.join(state, "oci"),
    /** Our own OCI runtime as a program. */
    byHand: path.join(state, "by-hand"),
    /** v1 hierarchy of the controllers that v2 has on a hybrid machine. */
    cgroupV1: path.join(state, "cgroup-v1"),
    sandbox(id: string): SandboxPaths {
      const data = path.join(root, "sandboxes", id);
      const run = path.join(state, "sandboxes", id);
      const files = path.join(run, "files");
      return {
        data,
        record: path.join(data, "sandbox.json"),
        run,
        config: path.join(run, "config.json"),
        rootfs: path.join(run, "rootfs"),
        pidFile: path.join(run, "pid"),
        netns: path.join(state, "netns", id),
        namespaces: path.join(run, "namespaces"),
        shm: path.join(run, "shm"),
        files,
        resolvConf: path.join(files, "resolv.conf"),
        hostname: path.join(files, "hostname"),
        hosts: path.join(files, "hosts"),
      };
    },
    container(id: string): ContainerPaths {
      const data = path.join(root, "containers", id);
      const run = path.join(state, "containers", id);
      return {
        data,
        record: path.join(data, "container.json"),
        upper: path.join(data, "upper"),
        work: path.join(data, "work"),
        run,
        config: path.join(run, "config.json"),
        env: path.join(run, "env"),
        process: path.join(run, "process.json"),
        rootfs: path.join(run, "rootfs"),
        volumes: path.join(run, "volumes"),
        pidFile: path.join(run, "pid"),
        conmonPidFile: path.join(run, "conmon.pid"),
        attachSocket: path.join(run, "attach"),
        controlFifo: path.join(run, "ctl"),
        exitFile: path.join(state, "exits", id),
      };
    },
  };
}

export type RuntimePaths = ReturnType<typeof runtimePaths>;
