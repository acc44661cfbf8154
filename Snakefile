# Rebuilds the paper: data -> warm-up -> pre-training -> fine-tuning -> tables and figures -> claims -> report.
# One rule is one `diccae` command. `snakemake --cores all` builds the default plan; other plans live in results/<plan>/.
import sys

from diccae.doctor.machine import driver_version
from diccae.errors import UserError
from diccae.workflow import FINETUNE_FILES, PRETRAIN_FILES, load_workflow


container: "docker://diccae-repro"


try:
    FLOW = load_workflow()
except UserError as error:
    sys.exit(f"diccae: {error}")

# one run at a time on a GPU (`resources` in profiles/default), where there is one
GPU = {"gpu": 1} if driver_version() else {}


wildcard_constraints:
    root="|".join(FLOW.plans),
    data="|".join(sorted({plan.data_root for plan in FLOW.plans.values()})),
    table="table1|table2|sensitivity|cluster_ce|leakage|learning_rates|tuning|feature_quality",
    figure="figure2|figure3",
    ablation="[a-z0-9_]+",


localrules:
    all,
    smoke,
    pretrain,
    finetune,


rule all:
    default_target: True
    input:
        FLOW.targets("results"),


rule smoke:
    input:
        FLOW.targets("results/smoke"),


rule pretrain:
    input:
        FLOW.folders("results", "pretrain"),


rule finetune:
    input:
        FLOW.folders("results", "finetune"),


rule render:
    output:
        "{data}/manifest.parquet",
        "{data}/truth.parquet",
        "{data}/truth.json",
    log:
        "results/logs/{data}/render.log",
    benchmark:
        "results/benchmarks/{data}/render.tsv"
    wildcard_constraints:
        data=FLOW.data_pattern("embedded"),
    threads: 16
    params:
        plan=lambda wildcards: FLOW.data_plan(wildcards.data).name,
        spec=lambda wildcards: FLOW.benchmark_key(wildcards.data),
    shell:
        "diccae data render --plan {params.plan:q} --jobs {threads} > {log:q} 2>&1"


rule manifest:
    input:
        lambda wildcards: FLOW.list_files(wildcards.data),
    output:
        "{data}/manifest.parquet",
        "{data}/classes.csv",
    log:
        "results/logs/{data}/manifest.log",
    benchmark:
        "results/benchmarks/{data}/manifest.tsv"
    wildcard_constraints:
        data=FLOW.data_pattern("lists"),
    params:
        plan=lambda wildcards: FLOW.data_plan(wildcards.data).name,
        spec=lambda wildcards: FLOW.benchmark_key(wildcards.data),
    shell:
        "diccae data manifest --plan {params.plan:q} > {log:q} 2>&1"


rule cache:
    input:
        "{data}/manifest.parquet",
    output:
        "{data}/cache/meta.json",
    log:
        "results/logs/{data}/cache.log",
    benchmark:
        "results/benchmarks/{data}/cache.tsv"
    threads: 16
    params:
        plan=lambda wildcards: FLOW.data_plan(wildcards.data).name,
    shell:
        "diccae data cache --plan {params.plan:q} --jobs {threads} > {log:q} 2>&1"


rule run_warmup:
    input:
        lambda wildcards: FLOW.cells[wildcards.cell].inputs(),
    output:
        expand("{{cell}}/{file}", file=PRETRAIN_FILES),
    log:
        "results/logs/{cell}.log",
    benchmark:
        "results/benchmarks/{cell}.tsv"
    wildcard_constraints:
        cell=FLOW.pattern("warmup"),
    priority: 20
    resources:
        **GPU,
        mem_mb=4000,
        # in front of the command: where a scheduler signals only a job's first process, this gives training a step of its own (profiles/slurm)
        launcher="",
    params:
        command=lambda wildcards: FLOW.cells[wildcards.cell].command,
        key=lambda wildcards: FLOW.cells[wildcards.cell].key,
    shell:
        '{resources.launcher} sh -c \'exec "$@" > "$0" 2>&1\' {log:q} {params.command}'


use rule run_warmup as run_pretrain with:
    wildcard_constraints:
        cell=FLOW.pattern("pretrain"),
    priority: 10


use rule run_warmup as finetune_a_v_av with:
    output:
        expand(
            "{{cell}}/{modality}/{file}",
            modality=["A", "V", "AV"],
            file=FINETUNE_FILES,
        ),
    wildcard_constraints:
        cell=FLOW.pattern("finetune", ("A", "V", "AV")),
    priority: 0


use rule run_warmup as finetune_a_av with:
    output:
        expand("{{cell}}/{modality}/{file}", modality=["A", "AV"], file=FINETUNE_FILES),
    wildcard_constraints:
        cell=FLOW.pattern("finetune", ("A", "AV")),
    priority: 0


use rule run_warmup as finetune_a with:
    output:
        expand("{{cell}}/A/{file}", file=FINETUNE_FILES),
    wildcard_constraints:
        cell=FLOW.pattern("finetune", ("A",)),
    priority: 0


use rule run_warmup as finetune_av with:
    output:
        expand("{{cell}}/AV/{file}", file=FINETUNE_FILES),
    wildcard_constraints:
        cell=FLOW.pattern("finetune", ("AV",)),
    priority: 0


rule table:
    input:
        lambda wildcards: FLOW.inputs(wildcards.table, wildcards.root),
    output:
        "{root}/{table}.csv",
    log:
        "{root}/logs/{table}.log",
    benchmark:
        "{root}/benchmarks/{table}.tsv"
    params:
        command=lambda wildcards: wildcards.table.replace("_", "-"),
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae {params.command:q} --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"


rule ablation:
    input:
        lambda wildcards: FLOW.inputs(f"ablations/{wildcards.ablation}", wildcards.root),
    output:
        "{root}/ablations/{ablation}.csv",
    log:
        "{root}/logs/ablations/{ablation}.log",
    benchmark:
        "{root}/benchmarks/ablations/{ablation}.tsv"
    params:
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae ablation {wildcards.ablation:q} --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"


rule figure:
    input:
        lambda wildcards: FLOW.inputs(wildcards.figure, wildcards.root),
    output:
        "{root}/{figure}.csv",
        "{root}/{figure}.svg",
    log:
        "{root}/logs/{figure}.log",
    benchmark:
        "{root}/benchmarks/{figure}.tsv"
    params:
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae {wildcards.figure:q} --plan {params.plan:q} > {log:q} 2>&1"


rule claims:
    input:
        lambda wildcards: FLOW.tables(wildcards.root),
        "configs/claims.yaml",
    output:
        "{root}/claims.csv",
    log:
        "{root}/logs/claims.log",
    benchmark:
        "{root}/benchmarks/claims.tsv"
    params:
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae claims --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"


rule verify:
    input:
        lambda wildcards: FLOW.tables(wildcards.root),
        "{root}/claims.csv",
    output:
        "{root}/verify.json",
    log:
        "{root}/logs/verify.log",
    benchmark:
        "{root}/benchmarks/verify.tsv"
    params:
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae verify --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"


rule report:
    input:
        lambda wildcards: FLOW.tables(wildcards.root),
        "{root}/claims.csv",
        "{root}/verify.json",
        "configs/claims.yaml",
        "configs/ambiguities.yaml",
    output:
        "{root}/report.html",
    log:
        "{root}/logs/report.log",
    benchmark:
        "{root}/benchmarks/report.tsv"
    params:
        plan=lambda wildcards: FLOW.plans[wildcards.root].name,
    shell:
        "diccae report --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"
