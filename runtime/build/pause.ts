import type { ImageRecipe } from "./image-builder.ts";
import { directoriesOf, fileEntries, librariesOfProgram } from "./node-program.ts";

const PAUSE = "/usr/local/bin/pause";
const CATATONIT = "/usr/local/bin/catatonit";
const SHELL = "/bin/sh";

const script = (version: string) => `#!${SHELL}
if [ "$1" = -v ]; then
  echo "pause ${version}"
  exit
fi
exec ${CATATONIT} -P
`;

/**
 * The image of a pod's first process: catatonit as a reaper, and a shell for `pause -v`, which the
 * health check of `kubeadm upgrade` runs. `programs` are places of this machine.
 */
export async function pauseRecipe(
  name: string,
  version: string,
  programs: { shell: string; catatonit: string },
): Promise<ImageRecipe> {
  const { shell, catatonit } = programs;
  const libraries = (await librariesOfProgram(shell)).map((path) => [path, path] as const);
  const places = new Map([...libraries, [SHELL, shell], [CATATONIT, catatonit]]);
  const entries = [
    ...directoriesOf([...places.keys(), PAUSE]),
    { name: PAUSE.slice(1), mode: 0o755, content: script(version) },
    ...(await fileEntries(places)),
  ];
  return { name, entries, config: { Entrypoint: [PAUSE], WorkingDir: "/" } };
}
