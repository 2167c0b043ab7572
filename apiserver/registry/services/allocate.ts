import type { Core } from "../../core.ts";

export async function allocateServices(_core: Core): Promise<void> {}
