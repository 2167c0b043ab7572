import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Hand } from "../test/e2e/containers/hand.ts";
import { median, type Row } from "./benchmark.ts";

const RUNS = 15;
const BUILDS = 7;
const UNPACKS = 3;
const STEPS = 20;
const PODMAN = "podman 4.3 with crun";
const BUILDAH = "buildah 1.28 with crun";
const CONTAINERD = "containerd 1.6";

/** Functions of the scripts: `c` is ours; each command's time is printed in ns after its side. */
const SETUP = `
  unset DOCKER_CONFIG; mkdir -p peer/net
  # Their own defaults are above what this machine may allow.
  limits="--ulimit nofile=1024:1024 --ulimit nproc=4096:4096"
  own() { "$R2K" container "$@"; }
  podman() { command podman --root peer/root --runroot peer/run --storage-driver overlay \
    --network-config-dir peer/net "$@"; }
  buildah() { command buildah --root peer/root --runroot peer/run --storage-driver overlay "$@"; }
  timed() { local side=$1 s=$(date +%s%N); shift; "$@" >/dev/null 2>err || { cat err >&2; exit 1; }
    echo $side $(( $(date +%s%N) - s )); }
`;

/** The median of each side's times, in ms, of the lines that a script has printed. */
function medians(output: string): { ours: number; peer: number } {
  const of = (side: string) =>
    median([...output.matchAll(new RegExp(`^${side} (\\d+)$`, "gm"))].map(([, ns]) => Number(ns)));
  return { ours: of("ours") / 1e6, peer: of("peer") / 1e6 };
}

/**
 * `r2k container run` beside podman, `build` beside buildah, and an archive of 500 MB beside
 * containerd, in turn in a network namespace of its own.
 */
export async function container(): Promise<Row[]> {
  const hand = new Hand();
  const measure = (title: string, script: string) => {
    process.stderr.write(`${title}\n`);
    return medians(hand.sh(SETUP + script));
  };
  const row = (what: string, goal: string, name: string, measured: ReturnType<typeof medians>) => {
    const { ours, peer } = measured;
    return { what, unit: "ms", ours, peer: { name, value: peer }, goal };
  };
  try {
    hand.sh(`${SETUP} own save -o bb.tar bb:1; podman load -q -i bb.tar >/dev/null
      buildah tag docker.io/library/bb:1 localhost/bb:1`);
    const run = measure(
      "run",
      `
      for i in $(seq ${RUNS}); do
        timed ours own run --rm bb:1 true; timed peer podman run $limits --rm bb:1 true
      done`,
    );
    const steps = Array.from({ length: STEPS }, (_, step) => `RUN echo ${step} > /step-${step}`);
    hand.context({ Dockerfile: ["FROM bb:1", ...steps, ""].join("\n") });
    const peer = "buildah bud --layers --isolation oci --runtime crun --network none $limits";
    const uncached = measure(
      "build, without the cache",
      `
      for i in $(seq ${BUILDS}); do
        timed ours own build --no-cache -t made:1 context
        timed peer ${peer} --no-cache -t made:1 context
      done`,
    );
    const cached = measure(
      "build, with the cache",
      `
      own build -q context >/dev/null; ${peer} -t made:1 context >/dev/null 2>&1
      for i in $(seq ${BUILDS}); do
        timed ours own build -t made:1 context; timed peer ${peer} -t made:1 context
      done`,
    );
    const unpack = measure("unpack", unpackScript(hand.dir));
    return [
      row(`run --rm of true, its network included, median of ${RUNS}`, "<= 0.6x", PODMAN, run),
      row(`build of ${STEPS} steps, all cached`, "<= 0.3x", BUILDAH, cached),
      row(`build of ${STEPS} steps, none cached`, "<= 0.8x", BUILDAH, uncached),
      row("load of an archive of 500 MB, unpacked", "<= 1.0x", CONTAINERD, unpack),
    ];
  } finally {
    hand.sh(`${SETUP} podman rm -af >/dev/null 2>&1 || :; podman rmi -af >/dev/null 2>&1 || :
      umount -l peer/root/overlay 2>/dev/null || :; rm -rf peer`);
    hand.close();
  }
}

/** Files of this machine up to 500 MB, gzipped in four layers, loaded by both from one archive. */
function unpackScript(dir: string): string {
  writeFileSync(
    join(dir, "containerd.toml"),
    [
      "version = 2",
      `root = "${dir}/containerd"`,
      `state = "${dir}/containerd-run"`,
      "[grpc]",
      `  address = "${dir}/containerd.sock"`,
      "",
    ].join("\n"),
  );
  return `
    mkdir big; find /usr/lib /usr/share -xdev -type f -size +8k -size -4M -print0 2>/dev/null |
      sort -z | head -z -n 8000 > names
    total=0; while IFS= read -r -d '' f; do
      size=$(stat -c %s "$f"); total=$((total + size)); [ $total -lt 500000000 ] || break
      printf '%s\\0' "$f"; done < names > chosen
    split -n l/4 -t '\\0' chosen part.
    printf 'FROM bb:1\\n' > big/Dockerfile
    for p in part.*; do tar -c --null -T $p 2>/dev/null > big/$p.tar
      echo "ADD $p.tar /$p" >> big/Dockerfile; done
    own build -q -t big:1 big >/dev/null; own save -o plain.tar big:1
    skopeo copy -q --dest-compress oci-archive:plain.tar oci-archive:big.tar:docker.io/library/big:1
    own rmi big:1 >/dev/null; own system prune -af >/dev/null
    containerd --config containerd.toml >containerd.log 2>&1 & trap "kill $!" EXIT
    ctr() { command ctr -a "$DIR/containerd.sock" "$@"; }
    until ctr version >/dev/null 2>&1; do sleep 0.2; done
    for i in $(seq ${UNPACKS}); do
      timed ours own load -q -i big.tar
      own rmi big:1 >/dev/null; own system prune -af >/dev/null
      timed peer ctr images import --snapshotter overlayfs big.tar
      ctr images rm --sync docker.io/library/big:1 >/dev/null
      ctr content prune references >/dev/null
    done`;
}
