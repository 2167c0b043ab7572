// The images that the tests name, made on this machine: a registry is not asked.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { CommandError } from "../../cli/terminal.ts";
import { busyboxEntries, IMAGE_PATH } from "../../runtime/build/busybox.ts";
import type { ImageDefaults } from "../../runtime/image/config.ts";
import { hostPlatform } from "../../runtime/image/manifest.ts";
import { type TarInput, writeTar } from "../../runtime/image/tar/write.ts";

/** Packages of upstream's Alpine images that the tests run, by Debian's names. */
const BASE_PACKAGES = [
  "bash",
  "bash-static",
  "busybox-static",
  "bind9-dnsutils",
  "curl",
  "wget",
  "netcat-openbsd",
  "iproute2",
  "iputils-ping",
  "procps",
  "iperf",
  "nginx-light",
  "util-linux",
  "perl",
  "stress",
];
const DEBIAN = "bookworm";
const REGISTRY = "registry.k8s.io";
const E2E = `${REGISTRY}/e2e-test-images`;

const PAGE = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>\n";
const NGINX = `worker_processes 1;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  server { listen 80; root /usr/share/nginx/html; }
}
`;

export interface ImageSources {
  /** The folder of upstream's module: files of the images. */
  readonly kubernetes: string;
  /** Built programs. */
  readonly agnhost: string;
  readonly nonewprivs: string;
  readonly resourceConsumer: string;
  readonly consumeCpu: string;
  readonly sampleApiserver: string;
  readonly etcd: string;
  /** Static programs of this machine. */
  readonly busybox: string;
  readonly catatonit: string;
  /** The result of `makeBase`. */
  readonly base: string;
}

/** A file of the base. */
function ofBase(from: ImageSources, path: string): Buffer {
  return execFileSync("tar", ["-xOf", from.base, `./${path}`], { maxBuffer: 1 << 26 });
}

/** Makes a Debian with the tools of most images, once; its mirror is the machine's own. */
export function makeBase(path: string, packages = BASE_PACKAGES): void {
  if (existsSync(path)) return;
  const format = ["indextargets", "--format", "$(CODENAME) $(REPO_URI)"];
  const sources = execFileSync("apt-get", format, { encoding: "utf8" });
  const mirror = new RegExp(`^${DEBIAN} (.+)$`, "m").exec(sources)?.[1];
  if (mirror === undefined) {
    throw new CommandError("NO_MIRROR", `apt has no source of Debian ${DEBIAN}`, {
      remedy: "add one to /etc/apt/sources.list: the images are made from its packages",
    });
  }
  const unneeded = ["doc", "man", "locale"].map((name) => `path-exclude=/usr/share/${name}/*`);
  const options = unneeded.map((option) => `--dpkgopt=${option}`);
  const included = `--include=${packages.join(",")}`;
  const args = ["--variant=essential", included, ...options, DEBIAN, path, mirror];
  execFileSync("mmdebstrap", args, { stdio: "inherit" });
}

/** Collects images and the layers they share. */
class Archive {
  private readonly files = new Map<string, Buffer>();
  private readonly manifest: { Config: string; RepoTags: string[]; Layers: string[] }[] = [];

  private keep(content: Buffer): string {
    const name = createHash("sha256").update(content).digest("hex");
    this.files.set(name, content);
    return name;
  }

  async layer(entries: TarInput[]): Promise<string> {
    return this.keep(await buffer(writeTar(entries)));
  }

  layerOf(tar: Buffer): string {
    return this.keep(tar);
  }

  image(names: string[], layers: string[], config: ImageDefaults): void {
    const text = JSON.stringify({
      ...hostPlatform(),
      created: new Date(0).toISOString(),
      config: { Env: [IMAGE_PATH], ...config },
      rootfs: { type: "layers", diff_ids: layers.map((name) => `sha256:${name}`) },
      history: layers.map(() => ({ created_by: "raft2kube" })),
    });
    const Config = this.keep(Buffer.from(text));
    this.manifest.push({ Config, RepoTags: names, Layers: layers });
  }

  /** Writes what `docker load` and `r2k image load` take. */
  write(path: string): Promise<void> {
    const entries = [...this.files].map(([name, content]): TarInput => ({ name, content }));
    const manifest = { name: "manifest.json", content: JSON.stringify(this.manifest) };
    return pipeline(writeTar([...entries, manifest]), createWriteStream(path));
  }
}

/** Writes one archive with every image that a test of a served feature names. */
export async function makeImages(from: ImageSources, path: string): Promise<void> {
  const archive = new Archive();
  const base = archive.layerOf(readFileSync(from.base));
  const agnhost = await archive.layer(agnhostEntries(from));
  const ports = ["80", "8080", "8081", "9376", "5000"].map((port) => [`${port}/tcp`, {}] as const);
  archive.image([`${E2E}/agnhost:2.63.0`, `${E2E}/agnhost:2.55`], [base, agnhost], {
    Entrypoint: ["/agnhost"],
    Cmd: ["pause"],
    ExposedPorts: Object.fromEntries(ports),
  });
  for (const pet of ["nautilus", "kitten"]) {
    const folder = join(from.kubernetes, "test/images", pet, "html");
    const files = [`${pet}.jpg`, "data.json"];
    const entries = files.map((name) => ({ name, content: readFileSync(join(folder, name)) }));
    // Upstream's are made upon Alpine: a test reads its name in a volume of the image.
    const release = { name: "etc/os-release", content: Buffer.from('NAME="Alpine Linux"\n') };
    const layer = await archive.layer([...entries, release]);
    archive.image([`${E2E}/${pet}:1.8`], [base, agnhost, layer], {
      Entrypoint: ["/agnhost"],
      Cmd: ["test-webserver"],
    });
  }
  const web = await archive.layer([
    { name: "usr/share/nginx/html/index.html", content: PAGE },
    { name: "etc/nginx/nginx.conf", content: NGINX },
  ]);
  archive.image([`${E2E}/nginx:1.15-4`, `${E2E}/nginx:1.27-0`], [base, web], {
    Cmd: ["nginx", "-g", "daemon off;"],
    ExposedPorts: { "80/tcp": {} },
    StopSignal: "SIGQUIT",
  });
  const tools = ["perl:5.26", "glibc-dns-testing:2.0.0", "ipc-utils:1.4"];
  archive.image(
    tools.map((name) => `${E2E}/${name}`),
    [base],
    { Cmd: ["bash"] },
  );
  await addBusybox(archive, from);
  const pause: TarInput = { name: "pause", mode: 0o755, content: readFileSync(from.catatonit) };
  archive.image([`${REGISTRY}/pause:3.10.2`], [await archive.layer([pause])], {
    Entrypoint: ["/pause", "-P"],
    User: "65535:65535",
  });
  const consumer = await archive.layer([
    program("consumer", from.resourceConsumer),
    program("consume-cpu/consume-cpu", from.consumeCpu),
  ]);
  archive.image([`${E2E}/resource-consumer:1.14`], [base, consumer], {
    Entrypoint: ["/consumer"],
    ExposedPorts: { "8080/tcp": {} },
  });
  await addExtensionServer(archive, from);
  await archive.write(path);
}

function program(name: string, path: string): TarInput {
  return { name, mode: 0o755, content: readFileSync(path) };
}

/** Adds upstream's sample of an aggregated API server, and the etcd that it runs beside. */
async function addExtensionServer(archive: Archive, from: ImageSources): Promise<void> {
  const sample = await archive.layer([program("sample-apiserver", from.sampleApiserver)]);
  archive.image([`${E2E}/sample-apiserver:1.29.2`], [sample], {
    Entrypoint: ["/sample-apiserver"],
  });
  const etcd = await archive.layer([program("usr/local/bin/etcd", from.etcd)]);
  archive.image([`${REGISTRY}/etcd:3.6.8-0`], [etcd], { Cmd: ["etcd"] });
}

async function addBusybox(archive: Archive, from: ImageSources): Promise<void> {
  // Debian's busybox drops variables whose names are no identifiers: `sh -c env` finds bash first.
  // `/bin/sh` stays busybox's, whose messages tests compare.
  const entries = await busyboxEntries(from.busybox);
  // Upstream's has every applet in /bin, too.
  const applets = entries.filter(({ name, type }) => type === "symlink" && !/^bin\//.test(name));
  const box = await archive.layer([
    ...entries,
    ...applets.map((applet) => ({ ...applet, name: `bin/${basename(applet.name)}` })),
    ...["usr/local/", "usr/local/bin/", "lib/", "var/tmp/"].map(directory),
    { name: "usr/local/bin/bash", mode: 0o755, content: ofBase(from, "usr/bin/bash-static") },
    { name: "usr/local/bin/sh", type: "symlink", linkname: "bash" },
  ]);
  archive.image([`${E2E}/busybox:1.37.0-1`], [box], { Cmd: ["sh"] });
  archive.image([`${E2E}/nonroot:1.5`], [box], { Cmd: ["sh"], User: "1234" });
  const nnp: TarInput = {
    name: "usr/local/bin/nnp",
    mode: 0o4755,
    content: readFileSync(from.nonewprivs),
  };
  archive.image([`${E2E}/nonewprivs:1.4`], [box, await archive.layer([nnp])], { Cmd: ["nnp"] });
}

function directory(name: string): TarInput {
  return { name, type: "directory", mode: name === "var/tmp/" ? 0o1777 : 0o755 };
}

/** agnhost with its certificate and users, and busybox's programs where Debian has none. */
function agnhostEntries(from: ImageSources): TarInput[] {
  const porter = join(from.kubernetes, "test/images/agnhost/porter");
  const certificate = ["localhost.crt", "localhost.key"];
  const user = "user-defined-in-image";
  const groups = `${user}:x:1000:\ngroup-defined-in-image:x:50000:${user}\n`;
  return [
    directory("usr/local/bin/"),
    ...appletLinks(from),
    { name: "uploads/", type: "directory", mode: 0o777 },
    { name: "agnhost", mode: 0o755, content: readFileSync(from.agnhost) },
    { name: "agnhost-2", type: "symlink", linkname: "agnhost" },
    ...certificate.map((name) => ({ name, content: readFileSync(join(porter, name)) })),
    {
      name: "etc/passwd",
      content: `${ofBase(from, "etc/passwd")}${user}:x:1000:1000::/home/${user}:/bin/sh\n`,
    },
    { name: "etc/group", content: `${ofBase(from, "etc/group")}${groups}` },
  ];
}

function appletLinks(from: ImageSources): TarInput[] {
  const list = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 }).split("\n");
  const inBase = list("tar", "-tf", from.base).filter((path) => path.includes("bin/"));
  const names = new Set(inBase.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  const applets = list(from.busybox, "--list").filter((name) => name !== "" && !names.has(name));
  return applets.map((name): TarInput => {
    return { name: `usr/local/bin/${name}`, type: "symlink", linkname: "/bin/busybox" };
  });
}
