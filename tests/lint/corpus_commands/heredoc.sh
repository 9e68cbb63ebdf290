#!/bin/bash
TP=16
cat > recipe.yaml <<EOF
step_scheduler: {global_batch_size: $BATCH}
model:
  pretrained_model_name_or_path: "org/llama-8b"
distributed:
  tp_size: 4 # finds: MS001, TP009
EOF
torchrun --nproc-per-node=6 finetune.py --config recipe.yaml

tee /tmp/other.yaml <<-'EOF'
	step_scheduler: {}
	distributed:
	  cp_size: 1
	  tpsize: 4 # finds: RC001
EOF
cat <<EOF > $OUT/third.json
{"step_scheduler": {}, "model": {"pretrained_model_name_or_path": "org/llama-8b"},
 "distributed": {"cp_size": "$CP",
   "tp_size": 12}} // finds: TP002, TP003
EOF
