start_server() {
    local size=$1
    vllm serve org/llama-8b -tp "$size" --port 8000
}
start_server 5 # finds: TP002, TP003, TP022, TP027
