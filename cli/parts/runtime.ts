import { logger } from "@raft2kube/observe/log.ts";
import { buildDemoImages } from "@raft2kube/runtime/build/demo-images.ts";
import { loadMissing } from "@raft2kube/runtime/image/archive.ts";
import { startRuntime } from "@raft2kube/runtime/main.ts";
import type { OciProgram } from "@raft2kube/runtime/oci/program.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { commandWith, repeated, required } from "../flags.ts";
import { requireProgram } from "../preflight/programs.ts";
import { byHandOption } from "../process/by-hand.ts";
import { registriesOf } from "../spec/registries.ts";
import { CommandError } from "../terminal.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/** `r2k runtime`: the CRI runtime alone. */
export const command = () =>
  commandWith(
    "runtime",
    "Run the container runtime: CRI v1 on a Unix socket.",
    {
      "--listen <socket>": required("unix:///path of the CRI socket"),
      "--root <dir>": ["images and containers, kept", "/var/lib/r2k/runtime"],
      "--state <dir>": ["what ends with the machine's run", "/run/r2k/runtime"],
      "--cni-conf-dir <dir>": ["the pods' network", "/etc/cni/net.d"],
      "--cni-bin-dir <dirs>": ["CNI plugins, separated by colons", "/opt/cni/bin"],
      "--cgroup-parent <path>": ["default for pods without one", "/r2k/pods"],
      "--oci-runtime <program>": ["crun or runc", "crun"],
      "--conmon <program>": ["the container monitor", "conmon"],
      "--pause <program>": ["a pod's first process: catatonit", "catatonit"],
      "--registry <domain=url>": repeated("where a registry really is; repeatable"),
      "--load <archive>": repeated("images to load where their names are not there; repeatable"),
      "--by-hand": "let pods choose our OCI runtime for learning, by the handler by-hand",
      "--demo-images": "build the images of the demo at start",
    },
    async (flags) => {
      const pausePath = await requireProgram(flags.pause);
      const options = {
        socket: unixPath("--listen", flags.listen),
        rootDir: flags.root,
        stateDir: flags.state,
        cniConfDir: flags.cniConfDir,
        cniBinDirs: flags.cniBinDir.split(":"),
        cgroupParent: flags.cgroupParent,
        ociRuntime: await ociProgram(flags.ociRuntime),
        byHand: byHandOption(flags.byHand),
        conmon: await requireProgram(flags.conmon),
        pausePath,
        registries: registriesOf("--registry", flags.registry),
        clock: systemClock(),
      };
      await runPart("runtime", async () => {
        const runtime = await startRuntime(options);
        for (const file of flags.load) {
          const images = await loadMissing(runtime.images, file);
          logger("runtime").info("an archive is loaded", { file, images });
        }
        if (flags.demoImages) {
          const busybox = await requireProgram("busybox");
          await buildDemoImages(runtime.images, { busybox, init: pausePath });
        }
        return runtime;
      });
    },
  );

async function ociProgram(name: string): Promise<OciProgram> {
  const kind = /(?:^|\/)(crun|runc)$/.exec(name)?.[1];
  if (kind !== "crun" && kind !== "runc") {
    throw new CommandError("FLAG", `--oci-runtime: neither crun nor runc: ${name}`);
  }
  return { kind, path: await requireProgram(name) };
}
