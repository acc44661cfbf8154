# Rebuilds the paper: data -> training -> tables and figures -> claims -> report. One rule is one
# `diccae` command. `snakemake --cores all` builds the default plan; other plans live in results/<plan>/.
# `--config seeds=8` takes the first eight seeds of a plan, in place of its default; with
# `--config shards=True` seeds whose shard is in results/<plan>/shards are not trained. With
# `--config set='method.temperature=0.1'` a plan has another value, and results/changed its results.
import os
import sys

from diccae.checkout import check_checkout, root_of_command
from diccae.committed import reference_files
from diccae.doctor.before_start import require_room
from diccae.doctor.machine import driver_version
from diccae.errors import UserError
from diccae.feature_jobs import FeatureJobs
from diccae.folder_lock import hold_folder
from diccae.plans import SEEDS_ASKED
from diccae.settings import dropped_list
from diccae.snakemake_request import changed_values, number_of_seeds, use_shards
from diccae.workflow import load_workflow


# with `--sdm apptainer` alone; docs/cluster.md says how to build it
container: "diccae-repro.sif"


try:
    check_checkout(root=root_of_command())
    # not in a dry run, nor where a scheduler runs a single job of this workflow
    if workflow.is_main_process and not workflow.output_settings.dryrun:
        hold_folder()
    FLOW = load_workflow(
        number_of_seeds(config), use_shards(config), changed_values(config)
    )
    FEATURES = FeatureJobs(FLOW.data_plans)
except UserError as error:
    sys.exit(f"diccae: {error}")


# profiles/slurm divides the clips of a set of features among several jobs
scattergather:
    share=1,


SHARES = len(gather.share("{scatteritem}"))

# jobs of training state it on the interim page
os.environ[SEEDS_ASKED] = str(FLOW.seeds or "")
# one run at a time on a GPU (`resources` in profiles/default), where there is one
GPU = {"gpu": 1} if driver_version() else {}


onstart:
    # on a cluster, many jobs would end one by one
    if workflow.is_main_process and workflow.non_local_exec:
        trained = [
            job for job in workflow.dag.needrun_jobs() if job.rule.name == "train"
        ]
        names = {FLOW.job(job.wildcards.job).job.plan.name for job in trained}
        try:
            require_room(sorted(names), FLOW.seeds)
        except UserError as error:
            sys.exit(f"diccae: {error}")


wildcard_constraints:
    root=FLOW.root_pattern,
    data="|".join(sorted({plan.data_root for plan in FLOW.data_plans})),
    job=FLOW.job_pattern,
    seed="[0-9]+",
    figure=FLOW.names(drawn=True),
    table=FLOW.names(drawn=False) + "|(ablations|systems)/[a-z0-9_]+",


localrules:
    all,
    smoke,


rule all:
    default_target: True
    input:
        lambda wildcards: FLOW.targets(FLOW.root("embedded")),


rule smoke:
    input:
        lambda wildcards: FLOW.targets(FLOW.root("smoke")),


# `--config set=...` leaves results/table2.csv alone: its name is that of a rule, which asks for the
# file of the changed plan
for target, file in FLOW.in_place_of().items():

    rule:
        name:
            target
        input:
            file,
        localrule: True


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
        spec=lambda wildcards: FLOW.data_key(wildcards.data),
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
        spec=lambda wildcards: FLOW.data_key(wildcards.data),
    shell:
        "diccae data manifest --plan {params.plan:q} > {log:q} 2>&1"


rule cache:
    input:
        "{data}/manifest.parquet",
        # of near-duplicates that are left out
        lambda wildcards: dropped_list(FLOW.data_plan(wildcards.data)) or [],
    output:
        "{data}/cache/meta.json",
    log:
        "results/logs/{data}/cache.log",
    benchmark:
        "results/benchmarks/{data}/cache.tsv"
    threads: 16
    params:
        plan=lambda wildcards: FLOW.data_plan(wildcards.data).name,
        spec=lambda wildcards: FLOW.data_key(wildcards.data),
    shell:
        "diccae data cache --plan {params.plan:q} --jobs {threads} > {log:q} 2>&1"


rule share:
    input:
        lambda wildcards: FEATURES.inputs(wildcards.features),
    output:
        temp(touch("{features}/shares/{scatteritem}.done")),
    log:
        "results/logs/{features}/share{scatteritem}.log",
    benchmark:
        "results/benchmarks/{features}/share{scatteritem}.tsv"
    wildcard_constraints:
        features=FEATURES.pattern,
    threads: 16
    resources:
        **GPU,
    params:
        plan=lambda wildcards: FEATURES.plan(wildcards.features),
        key=lambda wildcards: FEATURES.key(wildcards.features),
        share=lambda wildcards: wildcards.scatteritem.replace("-of-", "/"),
    shell:
        "diccae data features --plan {params.plan:q} --shard {params.share} --jobs {threads}"
        " > {log:q} 2>&1"


# computes what the shares left, or all without them, and lists the clips
rule features:
    input:
        lambda wildcards: FEATURES.inputs(wildcards.features),
        lambda wildcards: FEATURES.stamps(wildcards.features, SHARES),
    output:
        "{features}/meta.json",
    log:
        "results/logs/{features}/features.log",
    benchmark:
        "results/benchmarks/{features}/features.tsv"
    wildcard_constraints:
        features=FEATURES.pattern,
    threads: 16
    resources:
        **GPU,
    params:
        plan=lambda wildcards: FEATURES.plan(wildcards.features),
        key=lambda wildcards: FEATURES.key(wildcards.features),
    shell:
        "diccae data features --plan {params.plan:q} --jobs {threads} > {log:q} 2>&1"


# all stages and modalities of one variant with one seed
rule train:
    input:
        lambda wildcards: FLOW.job(wildcards.job).inputs,
    output:
        "{job}/job.json",
    log:
        "results/logs/{job}.log",
    benchmark:
        "results/benchmarks/{job}.tsv"
    priority: lambda wildcards: FLOW.priority(wildcards.job)
    threads: lambda wildcards: FLOW.job(wildcards.job).threads
    resources:
        **GPU,
        mem_mb=4000,
        # in front of the command: where a scheduler signals only a job's first process, this gives
        # training a step of its own (profiles/slurm)
        launcher="",
    params:
        command=lambda wildcards: FLOW.job(wildcards.job).command,
        key=lambda wildcards: FLOW.job(wildcards.job).key,
    shell:
        '{resources.launcher} sh -c \'exec "$@" > "$0" 2>&1\' {log:q} {params.command}'


# the results of one seed in one small file, to compute a plan a seed at a time on several machines
rule shard:
    input:
        lambda wildcards: FLOW.shard_inputs(wildcards.root, int(wildcards.seed)),
    output:
        "{root}/shards/seed{seed}.npz",
    log:
        "{root}/logs/shard{seed}.log",
    benchmark:
        "{root}/benchmarks/shard{seed}.tsv"
    params:
        plan=lambda wildcards: FLOW.plan(wildcards.root).name,
    shell:
        "diccae export --shard --plan {params.plan} --seed {wildcards.seed} --out {output:q}"
        " > {log:q} 2>&1"


rule table:
    input:
        lambda wildcards: FLOW.inputs(wildcards.table, wildcards.root),
        "configs/claims.yaml",
    output:
        report(
            "{root}/{table}.csv",
            caption="configs/captions/table.rst",
            category="Tables",
            subcategory="{root}",
            labels={"table": "{table}"},
        ),
    log:
        "{root}/logs/{table}.log",
    benchmark:
        "{root}/benchmarks/{table}.tsv"
    params:
        command=lambda wildcards: FLOW.command(wildcards.table, wildcards.root),
        shards=lambda wildcards: FLOW.shards(wildcards.root),
    shell:
        "diccae {params.command} --out {output:q} > {log:q} 2>&1"


rule figure:
    input:
        lambda wildcards: FLOW.inputs(wildcards.figure, wildcards.root),
    output:
        csv=report(
            "{root}/{figure}.csv",
            caption="configs/captions/table.rst",
            category="Figures",
            subcategory="{root}",
            labels={"figure": "{figure}", "file": "numbers"},
        ),
        svg=report(
            "{root}/{figure}.svg",
            caption="configs/captions/figure.rst",
            category="Figures",
            subcategory="{root}",
            labels={"figure": "{figure}", "file": "picture"},
        ),
    log:
        "{root}/logs/{figure}.log",
    benchmark:
        "{root}/benchmarks/{figure}.tsv"
    params:
        command=lambda wildcards: FLOW.command(wildcards.figure, wildcards.root),
        shards=lambda wildcards: FLOW.shards(wildcards.root),
    shell:
        "diccae {params.command} --out {output.csv:q} > {log:q} 2>&1"


# verify.json holds a root digest that covers the page too, so it changes with what the page shows
rule verify:
    input:
        lambda wildcards: FLOW.tables(wildcards.root),
        lambda wildcards: reference_files(FLOW.plan(wildcards.root)),
        "configs/claims.yaml",
        "configs/ambiguities.yaml",
    output:
        report(
            "{root}/verify.json",
            caption="configs/captions/verify.rst",
            category="Page and verification",
            labels={"file": "{root}/verify.json"},
        ),
    log:
        "{root}/logs/verify.log",
    benchmark:
        "{root}/benchmarks/verify.tsv"
    params:
        plan=lambda wildcards: FLOW.options(wildcards.root),
        shards=lambda wildcards: FLOW.shards(wildcards.root),
    shell:
        "diccae verify {params.plan} --out {output:q} > {log:q} 2>&1"


rule report:
    input:
        lambda wildcards: FLOW.tables(wildcards.root),
        lambda wildcards: reference_files(FLOW.plan(wildcards.root)),
        "{root}/verify.json",
        "configs/claims.yaml",
        "configs/ambiguities.yaml",
    output:
        report(
            "{root}/report.html",
            caption="configs/captions/page.rst",
            category="Page and verification",
            labels={"file": "{root}/report.html"},
        ),
    log:
        "{root}/logs/report.log",
    benchmark:
        "{root}/benchmarks/report.tsv"
    params:
        plan=lambda wildcards: FLOW.options(wildcards.root),
        shards=lambda wildcards: FLOW.shards(wildcards.root),
    shell:
        "diccae report {params.plan} --out {output:q} > {log:q} 2>&1"
