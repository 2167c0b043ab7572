import type { Builder } from "./builder.ts";
import type { Draft } from "./image.ts";
import type { Instruction } from "./parse.ts";
import type { Step } from "./progress.ts";
import type { Source } from "./source.ts";
import type { BuildOptions, StageState } from "./stage.ts";
import type { Stage } from "./stages.ts";

/** Sources of files that a build's steps copy or mount. */
export interface BuildSources {
  context: Source;
  /** The files of a stage or an image, as COPY --from and RUN --mount name it. */
  draftNamed(name: string, before: number): Promise<{ draft: Draft; key: string }>;
}

/** One instruction with all that it stands in. */
export interface Doing {
  builder: Builder;
  options: BuildOptions;
  sources: BuildSources;
  state: StageState;
  instruction: Instruction;
  stage: Stage;
  globals: ReadonlyMap<string, string>;
  progress: Step;
}
